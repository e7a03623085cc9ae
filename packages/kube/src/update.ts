import { backoff, type Clock } from '@weft/daemon'
import type { KubeClient } from './client.ts'
import { isConflict, isKubeError, isRetryable } from './errors.ts'
import { getObject, replaceObject } from './verbs.ts'

export interface RetryOptions {
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
  /** @default 8 */
  readonly attempts?: number | undefined
  /** Random numbers in [0, 1). @default Math.random */
  readonly rng?: (() => number) | undefined
}

/**
 * Repeats an operation while `again` says its failure may pass, with jittered backoff and at
 * least as long as the server asked for.
 *
 * @throws The last failure when the attempts are used up.
 */
export async function retrying<T>(operation: () => Promise<T>, options: RetryOptions & { readonly again?: ((error: unknown) => boolean) | undefined }): Promise<T> {
  const wait = backoff({ baseMs: 50, maxMs: 5_000, rng: options.rng ?? Math.random })
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await operation()
    } catch (error) {
      if (options.signal?.aborted === true || attempt >= (options.attempts ?? 8) || !(options.again ?? isRetryable)(error)) throw error
      const asked = isKubeError(error) ? error.retryAfterMs ?? 0 : 0
      await options.clock.sleep(Math.max(wait.next(), asked), { signal: options.signal })
    }
  }
}

/**
 * Reads an object, changes it and writes it back, again and again until nobody else wrote in
 * between. Repeating is safe: each write names the version it was computed from.
 *
 * @param path From `objectPath`; with a subresource only that part is written.
 * @param change Returns the new object, or undefined to leave it as it is; may be called several times.
 * @returns The object as the server now has it.
 */
export async function updateWithRetry<T>(client: KubeClient, path: string, change: (object: T) => T | undefined, options: RetryOptions): Promise<T> {
  return await retrying(async () => {
    const object = await getObject<T>(client, path, options)
    const next = change(structuredClone(object))
    return next === undefined ? object : await replaceObject<T>(client, path, next, options)
  }, { ...options, again: (error) => isConflict(error) || isRetryable(error) })
}

import { backoff } from './backoff.ts'
import type { Clock } from './clock.ts'
import type { Logger } from './logger.ts'

export interface ReconcilerOptions {
  /** For logs, e.g. `proxy`. */
  readonly name: string
  /** Brings the world to the state wanted now. Throws when it could not; it is tried again. */
  readonly reconcile: (signal: AbortSignal) => Promise<void> | void
  readonly clock: Clock
  readonly logger: Logger
  /** Least time from the start of one run to the start of the next, in milliseconds. @default 0 */
  readonly minIntervalMs?: number | undefined
  /** A run happens at least that often, asked for or not, in milliseconds. @default never */
  readonly maxIntervalMs?: number | undefined
  /** Waits after failures. @default from 100 ms to 30 s */
  readonly retry?: { readonly baseMs: number, readonly maxMs: number } | undefined
  readonly rng?: (() => number) | undefined
}

/**
 * The one loop of Weft: a single run at a time, triggers that come during a run make one more, failures are repeated with
 * backoff, and a run happens now and then without cause. Ready after the first success.
 */
export class Reconciler {
  readonly #options: ReconcilerOptions
  #requested = 0
  #succeeded = 0
  #ready = false
  #wake: PromiseWithResolvers<void> = Promise.withResolvers()
  readonly #waiters = new Set<{ readonly request: number, readonly resolve: () => void }>()

  constructor(options: ReconcilerOptions) {
    this.#options = options
  }

  /** True after the first run that succeeded, for ever. */
  get ready(): boolean {
    return this.#ready
  }

  /** Asks for a run; one that has begun already does not count. */
  trigger(): void {
    this.#requested += 1
    this.#wake.resolve()
  }

  /** Asks for a run and resolves when one that began after this call has succeeded. */
  settled(): Promise<void> {
    this.trigger()
    return this.#reached(this.#requested)
  }

  /** Resolves after the first success; rejects with the signal's reason when aborted before. */
  async whenReady(signal?: AbortSignal): Promise<void> {
    if (this.#ready) return
    signal?.throwIfAborted()
    const aborted = Promise.withResolvers<never>()
    const onAbort = (): void => aborted.reject(signal!.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      await Promise.race([this.#reached(1), aborted.promise])
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** Runs until aborted; resolves then. The first run happens at once. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger, name, minIntervalMs = 0, maxIntervalMs = Infinity, retry = { baseMs: 100, maxMs: 30_000 }, rng } = this.#options
    const wait = backoff({ ...retry, rng })
    this.trigger()
    while (!signal.aborted) {
      const started = clock.now()
      const request = this.#requested
      this.#wake = Promise.withResolvers()
      let pause: number
      try {
        await this.#options.reconcile(signal)
        wait.reset()
        this.#ready = true
        this.#succeeded = Math.max(this.#succeeded, request)
        for (const waiter of this.#waiters) if (waiter.request <= request) this.#release(waiter)
        if (this.#requested > request) this.#wake.resolve()
        await this.#sleep(maxIntervalMs, signal)
        pause = minIntervalMs - (clock.now() - started)
      } catch (error) {
        if (signal.aborted) return
        pause = Math.max(wait.next(), minIntervalMs - (clock.now() - started))
        logger.warn({ err: error, loop: name, retryMs: Math.round(pause) }, 'reconcile failed')
      }
      if (pause > 0) await clock.sleep(pause, { signal }).catch(() => undefined)
    }
  }

  /** Until woken, or that long. */
  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    const done = new AbortController()
    const ends = AbortSignal.any([signal, done.signal])
    const aborted = new Promise<void>((resolve) => ends.addEventListener('abort', () => resolve(), { once: true }))
    if (signal.aborted) return
    const timer = Number.isFinite(ms) ? this.#options.clock.sleep(ms, { signal: ends }).catch(() => undefined) : aborted
    await Promise.race([this.#wake.promise, timer, aborted])
    done.abort()
  }

  #reached(request: number): Promise<void> {
    if (this.#succeeded >= request && this.#ready) return Promise.resolve()
    return new Promise((resolve) => this.#waiters.add({ request, resolve }))
  }

  #release(waiter: { readonly request: number, readonly resolve: () => void }): void {
    this.#waiters.delete(waiter)
    waiter.resolve()
  }
}

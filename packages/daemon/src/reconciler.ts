import type { Registry } from 'prom-client'
import { backoff } from './backoff.ts'
import type { Clock } from './clock.ts'
import type { Logger } from './logger.ts'
import { messageOf } from './message-of.ts'
import { loopMetrics, type LoopMetrics } from './loop-metrics.ts'

export interface ReconcilerOptions {
  /** For logs and metrics, e.g. `proxy`. */
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
  /** Jitter, from 0 to 1. @default Math.random */
  readonly rng?: (() => number) | undefined
  /** Where runs and their durations are counted. @default nowhere */
  readonly registry?: Registry | undefined
}

interface Waiter {
  readonly request: number
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
}

/** After a failure a trigger is heard at the latest after this time: it may be the very change that ends the failure. */
const triggeredRetryMs = 1000

/**
 * The one loop of Weft: a single run at a time, triggers that come during a run make one more, failures are repeated with
 * backoff, and a run happens now and then without cause. Ready after the first success.
 */
export class Reconciler {
  readonly #options: ReconcilerOptions
  readonly #metrics: LoopMetrics | undefined
  /** Count of triggers so far, and the highest count that a successful run had seen when it began. */
  #requested = 0
  #succeeded = 0
  #ready = false
  #fault: string | undefined
  #running = false
  #ended: { readonly reason: unknown } | undefined
  #wake: PromiseWithResolvers<void> = Promise.withResolvers()
  readonly #waiters = new Set<Waiter>()

  constructor(options: ReconcilerOptions) {
    this.#options = options
    this.#metrics = options.registry === undefined ? undefined : loopMetrics(options.registry)
  }

  /** True after the first run that succeeded, for ever. */
  get ready(): boolean {
    return this.#ready
  }

  /** Why the last run failed; undefined after one that succeeded. */
  get fault(): string | undefined {
    return this.#fault
  }

  /** Asks for a run; one that has begun already does not count. */
  trigger(): void {
    this.#requested += 1
    this.#wake.resolve()
  }

  /**
   * Asks for a run and resolves when one that began after this call has succeeded; rejects with the signal's reason when
   * that signal, or the one of `run`, is aborted before.
   */
  async settled(signal?: AbortSignal): Promise<void> {
    this.trigger()
    await this.#reached(this.#requested, signal)
  }

  /** Resolves after the first success; rejects as `settled` does. */
  async whenReady(signal?: AbortSignal): Promise<void> {
    await this.#reached(1, signal)
  }

  /**
   * Runs until aborted; resolves then. The first run happens at once.
   *
   * @throws {Error} When it runs already.
   */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, name, logger, minIntervalMs = 0, maxIntervalMs = Infinity, retry = { baseMs: 100, maxMs: 30_000 }, rng } = this.#options
    if (this.#running) throw new Error(`Cannot run loop "${name}": it runs already, wanted once at a time`)
    this.#running = true
    this.#ended = undefined
    const wait = backoff({ ...retry, rng })
    this.trigger()
    while (!signal.aborted) {
      const started = clock.now()
      let next = started + minIntervalMs
      let waitMs = maxIntervalMs
      try {
        await this.#reconcile(signal)
        wait.reset()
      } catch (error) {
        if (signal.aborted) break
        this.#fault = messageOf(error)
        waitMs = wait.next()
        next = Math.max(next, clock.now() + Math.min(waitMs, triggeredRetryMs))
        logger.warn({ err: error, loop: name, retryMs: Math.round(waitMs) }, 'reconcile failed')
      }
      await this.#untilTriggered(waitMs, signal)
      const pause = next - clock.now()
      if (pause > 0) await clock.sleep(pause, { signal }).catch(() => undefined)
    }
    this.#running = false
    this.#ended = { reason: signal.reason }
    for (const waiter of this.#waiters) waiter.reject(signal.reason)
  }

  /** One run. What was asked for before it began is done when it succeeds. */
  async #reconcile(signal: AbortSignal): Promise<void> {
    const { clock, name, reconcile } = this.#options
    const request = this.#requested
    const started = clock.now()
    this.#wake = Promise.withResolvers()
    let result: 'success' | 'failure' = 'failure'
    try {
      await reconcile(signal)
      result = 'success'
    } finally {
      this.#metrics?.runs.inc({ loop: name, result })
      this.#metrics?.duration.observe({ loop: name }, (clock.now() - started) / 1000)
    }
    this.#ready = true
    this.#fault = undefined
    this.#succeeded = request
    for (const waiter of this.#waiters) if (waiter.request <= request) waiter.resolve()
  }

  /** Until a trigger since the last run began, until aborted, or that long. */
  async #untilTriggered(ms: number, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options
    const done = new AbortController()
    const abort = (): void => done.abort()
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    const woken = this.#wake.promise.then(abort)
    if (Number.isFinite(ms)) await Promise.race([woken, clock.sleep(ms, { signal: done.signal }).catch(() => undefined)])
    else await Promise.race([woken, aborted(done.signal)])
    signal.removeEventListener('abort', abort)
    abort()
  }

  async #reached(request: number, signal?: AbortSignal): Promise<void> {
    if (this.#ready && this.#succeeded >= request) return
    signal?.throwIfAborted()
    if (this.#ended !== undefined) throw this.#ended.reason
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiter: Waiter = { request, resolve, reject }
    const abort = (): void => reject(signal?.reason)
    this.#waiters.add(waiter)
    signal?.addEventListener('abort', abort, { once: true })
    try {
      await promise
    } finally {
      this.#waiters.delete(waiter)
      signal?.removeEventListener('abort', abort)
    }
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

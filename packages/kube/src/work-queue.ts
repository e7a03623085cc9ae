import { backoff, type Backoff, type Clock, type Logger } from '@weft/daemon'

export interface WorkQueueOptions<K> {
  readonly name: string
  readonly clock: Clock
  readonly logger: Logger
  /** Does the work of one key; throwing means to try that key again later. */
  readonly handle: (key: K, signal: AbortSignal) => Promise<void>
  /** Keys worked on at the same time. @default 1 */
  readonly concurrency?: number | undefined
  /** Backoff of a failing key, in milliseconds. @default 100 and 60000 */
  readonly baseMs?: number | undefined
  readonly maxMs?: number | undefined
  /** Random numbers in [0, 1). @default Math.random */
  readonly rng?: (() => number) | undefined
}

/**
 * Work by key: a key waits at most once, is never worked on twice at the same time, and one that
 * is added while being worked on is worked on again. Each failing key backs off by itself.
 */
export class WorkQueue<K extends string | number> {
  readonly #options: WorkQueueOptions<K>
  readonly #ready = new Set<K>()
  readonly #busy = new Set<K>()
  /** Added again while busy. */
  readonly #again = new Set<K>()
  /** Keys that wait for their time -> how to drop the wait. */
  readonly #delayed = new Map<K, AbortController>()
  readonly #failing = new Map<K, Backoff>()
  #signal: AbortSignal | undefined
  #idle: PromiseWithResolvers<void> | undefined
  #running = 0

  constructor(options: WorkQueueOptions<K>) {
    this.#options = options
  }

  /** Keys that wait, are worked on or are put off. */
  get size(): number {
    return this.#ready.size + this.#busy.size + this.#delayed.size
  }

  /** Works on `key` soon, at once if it was put off. */
  add(key: K): void {
    this.#delayed.get(key)?.abort()
    this.#delayed.delete(key)
    if (this.#busy.has(key)) this.#again.add(key)
    else this.#ready.add(key)
    this.#fill()
  }

  /** Works on `key` after a while, unless it is added before. */
  addAfter(key: K, ms: number): void {
    if (this.#ready.has(key) || this.#delayed.has(key)) return
    const controller = new AbortController()
    this.#delayed.set(key, controller)
    void this.#wait(key, ms, controller)
  }

  /** Works until aborted, then waits for what is being worked on. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal
    this.#fill()
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      else signal.addEventListener('abort', () => resolve(), { once: true })
    })
    for (const controller of this.#delayed.values()) controller.abort()
    this.#delayed.clear()
    if (this.#running > 0) {
      this.#idle = Promise.withResolvers()
      await this.#idle.promise
    }
    this.#signal = undefined
  }

  #fill(): void {
    const signal = this.#signal
    if (signal === undefined || signal.aborted) return
    for (const key of this.#ready) {
      if (this.#running >= (this.#options.concurrency ?? 1)) return
      this.#ready.delete(key)
      this.#busy.add(key)
      this.#running += 1
      void this.#work(key, signal)
    }
  }

  async #work(key: K, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.handle(key, signal)
      this.#failing.delete(key)
    } catch (error) {
      if (!signal.aborted) this.#putOff(key, error)
    }
    this.#busy.delete(key)
    this.#running -= 1
    if (this.#again.delete(key)) this.add(key)
    if (this.#running === 0) this.#idle?.resolve()
    this.#fill()
  }

  #putOff(key: K, error: unknown): void {
    let wait = this.#failing.get(key)
    if (wait === undefined) {
      wait = backoff({ baseMs: this.#options.baseMs ?? 100, maxMs: this.#options.maxMs ?? 60_000, rng: this.#options.rng ?? Math.random })
      this.#failing.set(key, wait)
    }
    const ms = wait.next()
    this.#options.logger.warn({ queue: this.#options.name, key, retryMs: ms, err: error }, 'work failed, trying again later')
    this.addAfter(key, ms)
  }

  async #wait(key: K, ms: number, controller: AbortController): Promise<void> {
    try {
      await this.#options.clock.sleep(ms, { signal: controller.signal })
    } catch {
      return
    }
    if (this.#delayed.get(key) !== controller) return
    this.#delayed.delete(key)
    this.add(key)
  }
}

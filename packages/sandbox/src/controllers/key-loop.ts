import { backoff, type Backoff, type Clock, type Logger } from '@weft/daemon'

/** How often a key that keeps failing is tried. */
const RETRY = { baseMs: 5, maxMs: 5000 } as const

/** What a loop is made from. */
export interface KeyLoopOptions {
  /** For logs. */
  readonly name: string
  /** Brings one object, named by its key, to the state wanted now. Throws to be called again. */
  readonly reconcile: (key: string, signal: AbortSignal) => Promise<void>
  readonly clock: Clock
  readonly logger: Logger
}

/** A reconcile loop over keys: one at a time, a key that is asked for twice runs once, failures are repeated with backoff. */
export class KeyLoop {
  readonly #options: KeyLoopOptions
  readonly #dirty = new Set<string>()
  readonly #failing = new Map<string, Backoff>()
  #waiting = 0
  #wake: PromiseWithResolvers<void> = Promise.withResolvers()
  #idle: PromiseWithResolvers<void> = Promise.withResolvers()
  #running = false
  #signal: AbortSignal | undefined

  constructor(options: KeyLoopOptions) {
    this.#options = options
  }

  /** Asks for a key to be reconciled. */
  add(key: string): void {
    this.#dirty.add(key)
    this.#wake.resolve()
  }

  /** Asks for a key later. @param ms Delay in milliseconds. */
  addAfter(key: string, ms: number): void {
    this.#options.clock.sleep(ms, { signal: this.#signal }).then(() => this.add(key), () => undefined)
  }

  /** Nothing is asked for, running or to be repeated. */
  get isIdle(): boolean {
    return this.#dirty.size === 0 && !this.#running && this.#waiting === 0
  }

  /** Resolves at the next moment when the loop is idle. */
  async whenIdle(): Promise<void> {
    while (!this.isIdle) await this.#idle.promise
  }

  /** Works until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    this.#signal = signal
    const stop = (): void => this.#wake.resolve()
    signal.addEventListener('abort', stop, { once: true })
    while (!signal.aborted) {
      const [key] = this.#dirty
      if (key === undefined) {
        this.#idle.resolve()
        this.#idle = Promise.withResolvers()
        await this.#wake.promise
        this.#wake = Promise.withResolvers()
        continue
      }
      this.#dirty.delete(key)
      this.#running = true
      await this.#reconcile(key, signal)
      this.#running = false
    }
    signal.removeEventListener('abort', stop)
  }

  async #reconcile(key: string, signal: AbortSignal): Promise<void> {
    const { name, clock, logger } = this.#options
    try {
      await this.#options.reconcile(key, signal)
      this.#failing.delete(key)
    } catch (error) {
      if (signal.aborted) return
      const wait = this.#failing.getOrInsertComputed(key, () => backoff(RETRY))
      const retryMs = wait.next()
      logger.debug({ err: error, loop: name, key, retryMs }, 'reconcile failed')
      this.#waiting++
      void clock.sleep(retryMs, { signal }).then(() => this.add(key), () => undefined).finally(() => this.#waiting--)
    }
  }
}

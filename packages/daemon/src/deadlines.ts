import type { Clock } from './clock.ts'

/** A limit on one piece of work; dispose it when the work is over. */
export interface Deadline extends Disposable {
  /** Aborted with the reason when the time is over, or when all deadlines are called off. */
  readonly signal: AbortSignal
}

interface Running {
  readonly at: number
  readonly expire: () => void
}

/**
 * Deadlines for work that nearly always ends in time: starting and ending one costs no timer, no promise and no error.
 * One sleep waits for the earliest of them.
 */
export class Deadlines {
  readonly #clock: Clock
  readonly #running = new Set<Running>()
  readonly #controllers = new Set<AbortController>()
  #sleep: { readonly until: number, readonly wake: AbortController } | undefined
  #over: { readonly reason: unknown } | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** @param reason Made when the time is over and not before. */
  start(ms: number, reason: () => Error): Deadline {
    const controller = new AbortController()
    const { signal } = controller
    if (this.#over !== undefined) {
      controller.abort(this.#over.reason)
      return { signal, [Symbol.dispose]: () => undefined }
    }
    const running: Running = { at: this.#clock.now() + ms, expire: () => controller.abort(reason()) }
    this.#running.add(running)
    this.#controllers.add(controller)
    if (this.#sleep === undefined || running.at < this.#sleep.until) this.#sleepUntil(running.at)
    return { signal, [Symbol.dispose]: () => {
      this.#running.delete(running)
      this.#controllers.delete(controller)
    } }
  }

  /** Aborts all that run, and all that start from now on. */
  callOff(reason: unknown): void {
    this.#over = { reason }
    this.#running.clear()
    for (const controller of this.#controllers) controller.abort(reason)
    this.#controllers.clear()
    this.#sleep?.wake.abort()
    this.#sleep = undefined
  }

  #sleepUntil(until: number): void {
    this.#sleep?.wake.abort()
    const wake = new AbortController()
    const sleep = { until, wake }
    this.#sleep = sleep
    const onWake = (): void => {
      if (this.#sleep !== sleep) return
      this.#sleep = undefined
      this.#expire()
    }
    // An aborted sleep was replaced by another.
    this.#clock.sleep(Math.max(0, until - this.#clock.now()), { signal: wake.signal }).then(onWake, () => undefined)
  }

  #expire(): void {
    const now = this.#clock.now()
    let next = Number.POSITIVE_INFINITY
    for (const running of this.#running) {
      if (running.at <= now) {
        this.#running.delete(running)
        running.expire()
      } else next = Math.min(next, running.at)
    }
    if (next < Number.POSITIVE_INFINITY) this.#sleepUntil(next)
  }
}

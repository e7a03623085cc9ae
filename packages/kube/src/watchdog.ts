import type { Clock } from '@weft/daemon'
import { KubeError } from './errors.ts'

/** Ends a connection that stays silent, or open, for too long. Time is the monotonic clock's. */
export class Watchdog implements Disposable {
  readonly #clock: Clock
  readonly #controller: AbortController = new AbortController()
  /** Aborted when the time is up or the outer signal is. */
  readonly signal: AbortSignal
  #deadline: number

  constructor(clock: Clock, outer: AbortSignal, limitMs: number) {
    this.#clock = clock
    this.#deadline = clock.now() + limitMs
    this.signal = AbortSignal.any([outer, this.#controller.signal])
    void this.#run()
  }

  /** Gives it so much time from now. */
  extend(limitMs: number): void {
    this.#deadline = this.#clock.now() + limitMs
  }

  [Symbol.dispose](): void {
    this.#controller.abort()
  }

  async #run(): Promise<void> {
    try {
      for (let left = this.#left(); left > 0; left = this.#left()) await this.#clock.sleep(left, { signal: this.signal })
      this.#controller.abort(new KubeError('ERR_KUBE_TIMEOUT', 'Cannot follow watch: the server was silent for too long'))
    } catch {
      // Aborted: the connection is over.
    }
  }

  #left(): number {
    return this.signal.aborted ? 0 : this.#deadline - this.#clock.now()
  }
}

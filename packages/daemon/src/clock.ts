import { setTimeout as sleep } from 'node:timers/promises'

/** Where time comes from. Leases, timeouts and backoff use `now`, which no change of the wall clock moves. */
export interface Clock {
  /** Monotonic milliseconds. */
  now(): number
  /** For humans and for the API's timestamps. */
  wallTime(): Date
  /** Resolves after that many milliseconds; rejects with the signal's reason when aborted before. */
  sleep(ms: number, options?: { readonly signal?: AbortSignal | undefined }): Promise<void>
}

/** Timers hold 31 bits: a longer one would fire at once. */
const longestTimerMs = 2 ** 31 - 1

/** The machine's clocks. */
export const realClock: Clock = {
  now: () => performance.now(),
  wallTime: () => new Date(),
  async sleep(ms, { signal } = {}) {
    const options = signal === undefined ? {} : { signal }
    try {
      let left = ms
      for (; left > longestTimerMs; left -= longestTimerMs) await sleep(longestTimerMs, undefined, options)
      await sleep(left, undefined, options)
    } catch (error) {
      // Callers abort with reasons of their own; Node wraps them.
      throw signal?.aborted === true ? signal.reason : error
    }
  },
}

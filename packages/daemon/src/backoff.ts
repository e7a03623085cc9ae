export interface BackoffOptions {
  /** First wait, in milliseconds. */
  readonly baseMs: number
  /** No wait is longer, in milliseconds. */
  readonly maxMs: number
  /** From 0 to 1; a parameter so that tests can choose. @default Math.random */
  readonly rng?: (() => number) | undefined
}

export interface Backoff {
  /** The wait before the next try, in milliseconds. */
  next(): number
  /** The last try succeeded: begin anew. */
  reset(): void
}

/** Exponential waits with jitter from half to the whole, so that a thousand nodes do not come back in one moment. */
export function backoff({ baseMs, maxMs, rng = Math.random }: BackoffOptions): Backoff {
  let failures = 0
  return {
    next() {
      const whole = Math.min(maxMs, baseMs * 2 ** Math.min(failures, 30))
      failures += 1
      return whole / 2 + (whole / 2) * rng()
    },
    reset() {
      failures = 0
    },
  }
}

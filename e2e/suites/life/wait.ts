import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'

const pollMs = 300

/** Waits until something holds, and fails with what there was instead. A question that cannot be put yet is answered no. */
export async function until(what: string, timeoutMs: number, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + timeoutMs
  let reason = 'it does not hold'
  for (;;) {
    try {
      if (await holds()) return
      reason = 'it does not hold'
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error)
    }
    expect(performance.now(), `${what}: not within ${timeoutMs / 1000} s: ${reason}`).toBeLessThan(deadline)
    await sleep(pollMs)
  }
}

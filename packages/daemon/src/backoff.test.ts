import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { backoff } from './backoff.ts'

describe('backoff()', () => {
  test('doubles up to the maximum, and begins anew after reset (R3)', () => {
    const wait = backoff({ baseMs: 100, maxMs: 1000, rng: () => 1 })
    expect(Array.from({ length: 6 }, () => wait.next())).toEqual([100, 200, 400, 800, 1000, 1000])
    wait.reset()
    expect(wait.next()).toBe(100)
  })

  test('every wait is between half and the whole of its step, for ever (R3)', () => {
    fc.assert(fc.property(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 1, max: 100_000 }), fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(2000), (baseMs, maxMs, luck, failures) => {
      const wait = backoff({ baseMs, maxMs, rng: () => luck })
      let ms = 0
      for (let count = 0; count <= failures; count += 1) ms = wait.next()
      const whole = Math.min(maxMs, baseMs * 2 ** failures)
      expect(ms).toBeGreaterThanOrEqual(whole / 2)
      expect(ms).toBeLessThanOrEqual(whole)
    }))
  })
})

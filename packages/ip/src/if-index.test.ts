import { describe, expect, test } from 'vitest'
import { ifIndexFrom, loopbackIfIndex } from './if-index.ts'

describe('ifIndexFrom()', () => {
  test.each([1, 2, 2 ** 31 - 1])('takes %d (M3)', (number) => expect(ifIndexFrom(number)).toBe(number))

  // 0 stands for "no link" in the kernel's messages, and what is above is negative there.
  test.each([0, -1, 2 ** 31, 2 ** 32 - 1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('refuses %d (M3)', (number) => {
    expect(() => ifIndexFrom(number)).toThrow(RangeError)
  })

  test('the loopback link is the first of a namespace (M3)', () => expect(loopbackIfIndex).toBe(1))
})

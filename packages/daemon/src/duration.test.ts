import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseDuration } from './duration.ts'

describe('parseDuration()', () => {
  test.each([['0s', 0], ['500ms', 500], ['30s', 30_000], ['1.5s', 1500], ['1m30s', 90_000], ['2h', 7_200_000], ['1h1m1s1ms', 3_661_001]])('reads %s (F5)', (text, ms) => expect(parseDuration(text)).toBe(ms))

  test.each(['', '0', '30', 's', '-1s', '+1s', '1 s', ' 1s', '1s ', '1S', '1d', '1us', '1e3s', '.5s', '1.s', '1,5s', '1s,1m', 'Infinity', '1m30'])('refuses %j (F5)', (text) => {
    expect(() => parseDuration(text)).toThrow(`Cannot parse duration "${text}": wanted numbers with units ms, s, m or h, e.g. 1m30s`)
  })

  test('parts add up (F5)', () => {
    fc.assert(fc.property(fc.nat(99), fc.nat(59), fc.nat(59), (h, m, s) => {
      expect(parseDuration(`${h}h${m}m${s}s`)).toBe(((h * 60 + m) * 60 + s) * 1000)
    }))
  })
})

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { macFromBytes, macToBytes, parseMac } from './mac-address.ts'

describe('parseMac()', () => {
  test('lowers upper case (M1)', () => expect(parseMac('02:00:5E:00:53:FF')).toBe('02:00:5e:00:53:ff'))

  test.each(['', '02:00:5e:00:53', '02:00:5e:00:53:01:02', '2:0:5e:0:53:1', '02-00-5e-00-53-01', '02005e005301', '02:00:5e:00:53:0g', ' 02:00:5e:00:53:01', '02:00:5e:00:53:01\n'])('refuses %j (M1)', (text) => {
    expect(() => parseMac(text)).toThrow(SyntaxError)
  })
})

describe('macToBytes(), macFromBytes()', () => {
  test('undo each other (M1)', () => {
    fc.assert(fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), (bytes) => {
      const mac = macFromBytes(bytes)
      expect(parseMac(mac)).toBe(mac)
      expect(macToBytes(mac)).toEqual(bytes)
    }))
  })

  test('macFromBytes() refuses other lengths', () => {
    for (const length of [0, 5, 7, 8]) expect(() => macFromBytes(new Uint8Array(length))).toThrow(RangeError)
  })
})

import { describe, expect, test } from 'vitest'
import { parsePort } from './port.ts'

describe('parsePort()', () => {
  test.each([['1', 1], ['80', 80], ['65535', 65_535]])('reads %s (M2)', (text, port) => expect(parsePort(text)).toBe(port))
  test.each(['', '0', '65536', '99999', '080', '+80', '-1', '8e1', '80.0', ' 80', '80 ', '٨٠', 'http'])('refuses %j (M2)', (text) => {
    expect(() => parsePort(text)).toThrow(`Cannot parse port "${text}": wanted 1 to 65535`)
  })
})

import { isIP } from 'node:net'
import * as fc from 'fast-check'
import { Address4, Address6 } from 'ip-address'
import { describe, expect, test } from 'vitest'
import { compareIp, equalIp, formatIp, ipFromBits, ipFromBytes, ipToBytes, nextIp, parseIp, parseIpv4, parseIpv6, prevIp, unmapIp } from './ip-address.ts'
import { anyIp, anyIpv6 } from './testing/arbitrary.ts'

/** Text that is nearly an address: every wrong turn a parser can take. */
const nearlyIpv6 = fc.array(fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom(':', '::', '0', '1', 'f', 'ffff', 'ABCD', '0db8') },
  { weight: 1, arbitrary: fc.constantFrom('12345', 'g', '.', '1.2.3.4', '01.2.3.4', '256.1.1.1', ' ', '/', '-1') },
), { maxLength: 18 }).map((parts) => parts.join(''))
const nearlyIpv4 = fc.array(fc.constantFrom('.', '0', '1', '9', '10', '25', '255', '256', '01', 'x', ' ', '-', '+1', '1e1'), { maxLength: 9 }).map((parts) => parts.join(''))

describe('parseIp()', () => {
  test('accepts exactly what node:net accepts, without zones (A1)', () => {
    fc.assert(fc.property(fc.oneof(nearlyIpv4, nearlyIpv6, fc.string()), (text) => {
      const family = text.includes('%') ? 0 : isIP(text)
      if (family === 0) expect(() => parseIp(text)).toThrow(SyntaxError)
      else expect(parseIp(text).family).toBe(family)
    }), { numRuns: 3000 })
  })

  test('reads the same number as ip-address (A1)', () => {
    fc.assert(fc.property(anyIp, (ip) => {
      const text = formatIp(ip)
      expect(parseIp(text).bits).toBe(ip.family === 4 ? new Address4(text).bigInt() : new Address6(text).bigInt())
    }))
  })

  test.each([
    '', ' ', '.', '1', '1.2.3', '1.2.3.4.5', '1.2.3.', '.1.2.3', '1..2.3', '010.1.2.3', '1.2.3.00', '0x7f.1', '2130706433', '127.1', '256.1.1.1', '1.2.3.4 ', ' 1.2.3.4', '1.2.3.4/32', '-1.2.3.4', '1.2.3.4\n', '١.2.3.4',
    ':', ':::', '1:', ':1', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7:8::', '::1:2:3:4:5:6:7:8', '12345::', '::g', 'fe80::1%eth0', '::ffff:1.2.3', '::ffff:1.2.3.04', '::1.2.3.4:5', '1:2:3:4:5:6:7:1.2.3.4', '[::1]', '::1/128', '1.2.3.4::',
    '0'.repeat(10_000), `${'0:'.repeat(10_000)}0`,
  ])('refuses %j (A1)', (text) => {
    expect(() => parseIp(text)).toThrow(SyntaxError)
  })

  test('names the text it refuses', () => {
    expect(() => parseIpv4('10.0.0.010')).toThrow('Cannot parse IPv4 address "10.0.0.010": wanted four decimal numbers without leading zeros, e.g. 10.0.0.1')
    expect(() => parseIpv6('fe80::1%eth0')).toThrow('Cannot parse IPv6 address "fe80::1%eth0": wanted RFC 4291 text without a zone, e.g. fd00::1')
  })

  test('parseIpv4 and parseIpv6 refuse the other family', () => {
    expect(() => parseIpv4('::1')).toThrow(SyntaxError)
    expect(() => parseIpv6('10.0.0.1')).toThrow(SyntaxError)
  })
})

describe('formatIp()', () => {
  // RFC 5952 §4 and §5, and the corners of them.
  test.each([
    ['0.0.0.0', '0.0.0.0'], ['255.255.255.255', '255.255.255.255'],
    ['2001:0DB8::0001', '2001:db8::1'], ['0:0:0:0:0:0:0:0', '::'], ['0:0:0:0:0:0:0:1', '::1'], ['1:0:0:0:0:0:0:0', '1::'],
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'], ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'], ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'], ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'], ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
    ['::ffff:c000:0201', '::ffff:192.0.2.1'], ['::FFFF:0.0.0.0', '::ffff:0.0.0.0'], ['::192.0.2.1', '::c000:201'], ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'], ['::1:ffff:c000:201', '::1:ffff:c000:201'],
  ])('prints %s as %s (A2)', (text, canonical) => {
    expect(formatIp(parseIp(text))).toBe(canonical)
  })

  test('is undone by parseIp (A2)', () => {
    fc.assert(fc.property(anyIp, (ip) => { expect(parseIp(formatIp(ip))).toEqual(ip) }))
  })

  test('prints what ip-address prints, IPv4-mapped apart (A2)', () => {
    fc.assert(fc.property(anyIpv6.filter(({ bits }) => bits >> 32n !== 0xffffn), (ip) => {
      expect(formatIp(ip)).toBe(Address6.fromBigInt(ip.bits).correctForm())
    }))
  })
})

describe('ipFromBits(), ipToBytes(), ipFromBytes()', () => {
  test('bytes are in network order and come back (A3)', () => {
    expect(ipToBytes(parseIp('10.1.2.3'))).toEqual(Uint8Array.of(10, 1, 2, 3))
    expect(ipToBytes(parseIp('fd00::102'))).toEqual(Uint8Array.of(0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2))
    fc.assert(fc.property(anyIp, (ip) => { expect(ipFromBytes(ipToBytes(ip))).toEqual(ip) }))
  })

  test('ipFromBytes() reads a part of a larger buffer', () => {
    expect(formatIp(ipFromBytes(new Uint8Array([9, 9, 10, 0, 0, 1, 9]).subarray(2, 6)))).toBe('10.0.0.1')
  })

  test('numbers and bytes that fit no family are refused (A3)', () => {
    expect(() => ipFromBits(4, 2n ** 32n)).toThrow(RangeError)
    expect(() => ipFromBits(6, 2n ** 128n)).toThrow(RangeError)
    expect(() => ipFromBits(4, -1n)).toThrow(RangeError)
    for (const length of [0, 3, 5, 15, 17]) expect(() => ipFromBytes(new Uint8Array(length))).toThrow(RangeError)
  })
})

describe('compareIp(), nextIp(), prevIp(), unmapIp()', () => {
  test('order is IPv4 first, then by number', () => {
    const sorted = ['10.0.0.2', '::1', '10.0.0.10', '9.255.255.255', 'fd00::1', '::'].map(parseIp).sort(compareIp).map(formatIp)
    expect(sorted).toEqual(['9.255.255.255', '10.0.0.2', '10.0.0.10', '::', '::1', 'fd00::1'])
    expect(equalIp(parseIp('::'), parseIp('0.0.0.0'))).toBe(false)
  })

  test('neighbours carry, and end at the edge of the family', () => {
    expect(formatIp(nextIp(parseIp('10.0.255.255')))).toBe('10.1.0.0')
    expect(formatIp(prevIp(parseIp('fd00:1::')))).toBe('fd00:0:ffff:ffff:ffff:ffff:ffff:ffff')
    expect(() => nextIp(parseIp('255.255.255.255'))).toThrow(RangeError)
    expect(() => prevIp(parseIp('::'))).toThrow(RangeError)
  })

  test('unmapIp() takes the IPv4 address out of a mapped one only (A4)', () => {
    expect(formatIp(unmapIp(parseIp('::ffff:10.0.0.1')))).toBe('10.0.0.1')
    for (const text of ['10.0.0.1', '::10.0.0.1', '::1:ffff:a00:1', '64:ff9b::a00:1']) expect(unmapIp(parseIp(text))).toEqual(parseIp(text))
  })
})

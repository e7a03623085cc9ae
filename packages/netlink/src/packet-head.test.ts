import { formatIp } from '@weft/ip'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readPacketHead } from './packet-head.ts'

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))
const v6 = (next: string): string => `60000000 0008 ${next} 40 fd000000000000000000000000000001 fd000000000000000000000000000002`
const show = (bytes: Uint8Array): unknown => {
  const head = readPacketHead(bytes)
  return head === undefined ? undefined : [formatIp(head.source), formatIp(head.destination), head.protocol, head.sourcePort, head.destinationPort]
}

describe('readPacketHead()', () => {
  test.each([
    { title: 'TCP over IPv4', bytes: '4500 003c 0001 4000 40 06 0000 0a000001 0a000002 9c40 0050', want: ['10.0.0.1', '10.0.0.2', 6, 40_000, 80] },
    { title: 'UDP over IPv4 with options', bytes: '4600 003c 0001 0000 40 11 0000 0a000001 0a000002 01010101 9c40 0035', want: ['10.0.0.1', '10.0.0.2', 17, 40_000, 53] },
    { title: 'a later fragment has no ports', bytes: '4500 003c 0001 0001 40 11 0000 0a000001 0a000002 9c40 0035', want: ['10.0.0.1', '10.0.0.2', 17, undefined, undefined] },
    { title: 'ICMP has no ports', bytes: '4500 003c 0001 0000 40 01 0000 0a000001 0a000002 0800 0000', want: ['10.0.0.1', '10.0.0.2', 1, undefined, undefined] },
    { title: 'SCTP over IPv6', bytes: `${v6('84')} 9c40 0050`, want: ['fd00::1', 'fd00::2', 132, 40_000, 80] },
    { title: 'TCP after a hop-by-hop header', bytes: `${v6('00')} 06 00 000000000000 9c40 0050`, want: ['fd00::1', 'fd00::2', 6, 40_000, 80] },
    { title: 'a later fragment of IPv6', bytes: `${v6('2c')} 11 00 0008 00000001 9c40 0050`, want: ['fd00::1', 'fd00::2', 17, undefined, undefined] },
    { title: 'ports that were cut off', bytes: '4500 003c 0001 0000 40 06 0000 0a000001 0a000002 9c', want: ['10.0.0.1', '10.0.0.2', 6, undefined, undefined] },
    { title: 'no whole header', bytes: '4500 003c', want: undefined },
    { title: 'another version', bytes: '0000 003c', want: undefined },
  ])('reads $title', ({ bytes, want }) => {
    expect(show(hex(bytes))).toEqual(want)
  })

  test('any bytes are a head or none', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 128 }), fc.constantFrom(0x45, 0x4f, 0x60), (bytes, first) => {
      if (bytes.length > 0) bytes[0] = first
      expect(() => readPacketHead(bytes)).not.toThrow()
    }))
  })
})

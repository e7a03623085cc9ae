import { BlockList } from 'node:net'
import { type Cidr, cidrFrom, formatIp, ipFromBits, parseCidr, parseIp } from '@weft/ip'
import type { PolicyPort } from '@weft/api'
import { partsOf, type Value } from '@weft/nftables'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addressRanges, addressSpans, inBlocks } from './address-ranges.ts'
import { networkPortElements } from './network-ports.ts'
import { coversPort, portRanges, portSpans } from './port-ranges.ts'

const inner: fc.Arbitrary<Cidr> = fc.tuple(fc.nat(255), fc.integer({ min: 24, max: 32 })).map(([last, prefix]) => parseCidr(`10.0.0.${last & (0xff << (32 - prefix))}/${prefix}`))
const block = fc.tuple(inner, fc.array(inner, { maxLength: 4 })).map(([cidr, except]) => ({ cidr, except }))

function isIn(ranges: readonly Value[], bits: bigint): boolean {
  return ranges.some((each) => {
    const { from, to } = typeof each === 'object' && 'kind' in each ? each : { from: each, to: each }
    return bits >= (from as { readonly bits: bigint }).bits && bits <= (to as { readonly bits: bigint }).bits
  })
}

function listOf(cidrs: readonly Cidr[]): BlockList {
  const list = new BlockList()
  for (const { bits, prefix } of cidrs) list.addSubnet(formatIp(ipFromBits(4, bits)), prefix, 'ipv4')
  return list
}

describe('addressRanges()', () => {
  test('NP-9, NP-57, NP-58: each address is in some block and not in an exception of that block', () => {
    fc.assert(fc.property(fc.array(block, { maxLength: 4 }), (blocks) => {
      const ranges = addressRanges(4, blocks)
      const lists = blocks.map(({ cidr, except }) => ({ inside: listOf([cidr]), outside: listOf(except) }))
      const from = parseIp('10.0.0.0').bits
      for (let bits = from; bits < from + 256n; bits += 1n) {
        const text = formatIp(ipFromBits(4, bits))
        const want = lists.some(({ inside, outside }) => inside.check(text) && !outside.check(text))
        expect(isIn(ranges, bits), text).toBe(want)
        expect(inBlocks(ipFromBits(4, bits), blocks)).toBe(want)
      }
    }), { numRuns: 50 })
  })

  test('a hundred thousand exceptions are as many ranges, at once', () => {
    const except = Array.from({ length: 100_000 }, (_, index) => cidrFrom(ipFromBits(4, 0x0a000000n + BigInt(index) * 2n), 32))
    const started = performance.now()
    expect(addressRanges(4, [{ cidr: parseCidr('0.0.0.0/0'), except }])).toHaveLength(100_001)
    expect(performance.now() - started).toBeLessThan(5000)
  })
})

const port: fc.Arbitrary<PolicyPort> = fc.tuple(fc.constantFrom('TCP' as const, 'UDP' as const), fc.option(fc.integer({ min: 1, max: 30 }), { nil: undefined }), fc.option(fc.nat(9), { nil: undefined }))
  .map(([protocol, first, more]) => ({ protocol, port: first, endPort: first === undefined || more === undefined ? undefined : first + more }))

describe('portRanges()', () => {
  test('NP-10, NP-12: covers what the ports cover, without overlap', () => {
    fc.assert(fc.property(fc.array(port, { maxLength: 6 }), (ports) => {
      const ranges = portRanges(ports)
      for (const [number, protocol] of [[6, 'TCP'], [17, 'UDP']] as const) {
        for (let wanted = 0; wanted <= 45; wanted++) {
          const hits = ranges.filter(({ protocol: each, port: value }) => {
            const { from, to } = value === undefined ? { from: 0, to: 65_535 } : typeof value === 'object' && 'kind' in value ? value : { from: value, to: value }
            return each === number && wanted >= Number(from) && wanted <= Number(to)
          })
          expect(hits.length).toBe(ports.some((each) => coversPort(each, { protocol, port: wanted, name: 'web' })) ? 1 : 0)
        }
      }
    }))
  })
})

describe('networkPortElements()', () => {
  const group = fc.record({ blocks: fc.array(block, { minLength: 1, maxLength: 3 }), ports: fc.array(port, { minLength: 1, maxLength: 3 }) })
  const numbers = { TCP: 6, UDP: 17 } as const
  const spanOf = (value: Value): { readonly from: number, readonly to: number } => (typeof value === 'object' && 'kind' in value ? { from: Number(value.from), to: Number(value.to) } : { from: Number(value), to: Number(value) })

  test('NP-9, NP-12: each address and port that some rule means is in exactly one element, others in none', () => {
    fc.assert(fc.property(fc.array(group, { minLength: 1, maxLength: 5 }), (groups) => {
      const elements = networkPortElements(4, groups.map(({ blocks, ports }) => ({ addresses: addressSpans(4, blocks), ports: portSpans(ports) })))
      fc.pre(elements !== undefined)
      const keys = elements.map(({ key }) => partsOf(key) as readonly [Value, number, Value]).map(([address, protocol, ports]) => ({ address: [address], protocol, ports: spanOf(ports) }))
      for (let last = 0; last < 256; last += 5) for (const protocol of ['TCP', 'UDP'] as const) for (const wanted of [1, 15, 30, 99]) {
        const ip = parseIp(`10.0.0.${last}`)
        const hits = keys.filter((key) => isIn(key.address, ip.bits) && key.protocol === numbers[protocol] && key.ports.from <= wanted && wanted <= key.ports.to)
        const isMeant = groups.some(({ blocks, ports }) => inBlocks(ip, blocks) && ports.some((each) => coversPort(each, { protocol, port: wanted, name: '' })))
        expect(hits.length).toBe(isMeant ? 1 : 0)
      }
    }), { numRuns: 60 })
  })

  test('ten thousand networks with a port each are as many elements; networks over networks are given up in time', () => {
    const apart = Array.from({ length: 10_000 }, (_, index) => ({ addresses: [{ from: BigInt(index * 2), to: BigInt(index * 2) }], ports: portSpans([{ protocol: 'TCP', port: 1 + index, endPort: undefined }]) }))
    expect(networkPortElements(4, apart)).toHaveLength(10_000)
    const nested = apart.map(({ ports }, index) => ({ addresses: [{ from: BigInt(index), to: BigInt(30_000 - index) }], ports }))
    const started = performance.now()
    expect(networkPortElements(4, nested)).toBeUndefined()
    expect(performance.now() - started).toBeLessThan(2000)
  })
})

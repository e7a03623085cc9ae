import { BlockList } from 'node:net'
import * as fc from 'fast-check'
import { Address4, Address6 } from 'ip-address'
import { describe, expect, test } from 'vitest'
import { addressesOf, aggregateCidrs, type Cidr, cidrContains, cidrFrom, cidrSize, compareCidr, equalCidr, excludeCidrs, firstIp, formatCidr, hostCidr, lastIp, parseCidr, parseInterfaceAddress, splitCidr } from './cidr.ts'
import { formatIp, ipFromBits, nextIp, parseIp } from './ip-address.ts'
import { anyCidr, anyIp, smallCidr, smallWorld } from './testing/arbitrary.ts'

const format = (cidrs: Iterable<Cidr>): string[] => [...cidrs].map(formatCidr)

/** The slow and obvious reference: the set of addresses, one by one. */
function addressSet(cidrs: Iterable<Cidr>): Set<string> {
  return new Set([...cidrs].flatMap((cidr) => [...addressesOf(cidr)].map(formatIp)))
}

/** The slow and obvious minimum: of the networks that lie inside the set, those that no larger one covers. */
function largestInside(addresses: ReadonlySet<string>, family: 4 | 6): string[] {
  const width = family === 4 ? 32 : 128
  const result: Cidr[] = []
  for (let host = 8; host >= 0; host -= 1) {
    for (let offset = 0; offset < 256; offset += 2 ** host) {
      const cidr = cidrFrom({ family, bits: smallWorld[family] + BigInt(offset) }, width - host)
      if (!result.some((larger) => cidrContains(larger, cidr)) && [...addressesOf(cidr)].every((ip) => addresses.has(formatIp(ip)))) result.push(cidr)
    }
  }
  return format(result.sort(compareCidr))
}

describe('parseCidr()', () => {
  test.each(['', '/', '10.0.0.0', '10.0.0.0/', '10.0.0.0/33', '10.0.0.0/08', '10.0.0.0/ 8', '10.0.0.0/+8', '10.0.0.0/8/8', '10.0.0/8', '::/129', '::/-1', 'fe80::%1/64', '10.0.0.0/255.0.0.0'])('refuses %j (C1)', (text) => {
    expect(() => parseCidr(text)).toThrow(SyntaxError)
  })

  test('refuses host bits and says which network was meant (C1)', () => {
    expect(() => parseCidr('10.1.2.3/16')).toThrow('Cannot parse network "10.1.2.3/16": host bits are set, wanted 10.1.0.0/16')
  })

  test('names the whole text when its address is wrong (C1)', () => {
    expect(() => parseCidr('10.0.0.999/8')).toThrow('Cannot parse network "10.0.0.999/8"')
  })

  test('is undone by formatCidr (C1)', () => {
    fc.assert(fc.property(anyCidr, (cidr) => { expect(parseCidr(formatCidr(cidr))).toEqual(cidr) }))
  })
})

describe('parseInterfaceAddress()', () => {
  test('keeps the host bits', () => {
    const { address, prefix } = parseInterfaceAddress('10.1.2.3/24')
    expect([formatIp(address), prefix, formatCidr(cidrFrom(address, prefix))]).toEqual(['10.1.2.3', 24, '10.1.2.0/24'])
  })
})

describe('cidrFrom(), firstIp(), lastIp(), cidrSize(), cidrContains()', () => {
  test('clears host bits', () => {
    expect(formatCidr(cidrFrom(parseIp('fd00:10:244:1::5'), 64))).toBe('fd00:10:244:1::/64')
    expect(formatCidr(cidrFrom(parseIp('255.255.255.255'), 0))).toBe('0.0.0.0/0')
    expect(formatCidr(hostCidr(parseIp('::1')))).toBe('::1/128')
    for (const prefix of [-1, 33, 1.5, Number.NaN]) expect(() => cidrFrom(parseIp('10.0.0.0'), prefix)).toThrow(RangeError)
  })

  test('the edges are inside, their neighbours are not (C2)', () => {
    fc.assert(fc.property(anyCidr, (cidr) => {
      expect(lastIp(cidr).bits - firstIp(cidr).bits + 1n).toBe(cidrSize(cidr))
      expect(cidrContains(cidr, firstIp(cidr)) && cidrContains(cidr, lastIp(cidr))).toBe(true)
      if (cidr.bits > 0n) expect(cidrContains(cidr, ipFromBits(cidr.family, cidr.bits - 1n))).toBe(false)
      const after = lastIp(cidr).bits + 1n
      if (after >> (cidr.family === 4 ? 32n : 128n) === 0n) expect(cidrContains(cidr, ipFromBits(cidr.family, after))).toBe(false)
    }))
  })

  test('what is inside is so for node:net and ip-address too (C2)', () => {
    // Addresses near the network's edges, where mistakes live, and anywhere.
    const near = anyCidr.chain((cidr) => fc.tuple(fc.constant(cidr), fc.oneof(anyIp.filter(({ family }) => family === cidr.family), fc.bigInt({ min: -2n, max: 2n }).chain((step) => fc.constantFrom(firstIp(cidr), lastIp(cidr)).map(({ bits }) => ipFromBits(cidr.family, BigInt.asUintN(cidr.family === 4 ? 32 : 128, bits + step)))))))
    fc.assert(fc.property(near, ([cidr, ip]) => {
      const list = new BlockList()
      list.addSubnet(formatIp(firstIp(cidr)), cidr.prefix, `ipv${cidr.family}`)
      const Address = cidr.family === 4 ? Address4 : Address6
      const inside = cidrContains(cidr, ip)
      expect(inside).toBe(list.check(formatIp(ip), `ipv${ip.family}`))
      expect(inside).toBe(new Address(formatIp(ip)).isInSubnet(new Address(formatCidr(cidr))))
      const subnet = new Address(`${formatIp(ip)}/${cidr.prefix}`)
      expect([firstIp(cidrFrom(ip, cidr.prefix)).bits, lastIp(cidrFrom(ip, cidr.prefix)).bits]).toEqual([subnet.startAddress().bigInt(), subnet.endAddress().bigInt()])
    }), { numRuns: 500 })
  })

  test('a network contains another when it contains both of its edges (C2)', () => {
    fc.assert(fc.property(fc.constantFrom(4 as const, 6 as const).chain((family) => fc.tuple(smallCidr(family), smallCidr(family))), ([outer, inner]) => {
      expect(cidrContains(outer, inner)).toBe(cidrContains(outer, firstIp(inner)) && cidrContains(outer, lastIp(inner)))
    }))
  })

  test('the other family is never inside, not even in ::/0 (C2)', () => {
    expect(cidrContains(parseCidr('::/0'), parseIp('10.0.0.1'))).toBe(false)
    expect(cidrContains(parseCidr('0.0.0.0/0'), parseIp('::ffff:10.0.0.1'))).toBe(false)
  })
})

describe('addressesOf()', () => {
  test('gives first to last, each the next of the one before', () => {
    fc.assert(fc.property(fc.constantFrom(4 as const, 6 as const).chain(smallCidr), (cidr) => {
      const all = [...addressesOf(cidr)]
      expect(BigInt(all.length)).toBe(cidrSize(cidr))
      expect([all[0], all.at(-1)]).toEqual([firstIp(cidr), lastIp(cidr)])
      for (const [at, ip] of all.entries()) if (at > 0) expect(ip).toEqual(nextIp(all[at - 1]!))
    }))
  })
})

describe('splitCidr()', () => {
  test('gives all parts in order, lazily', () => {
    expect(format(splitCidr(parseCidr('10.244.0.0/22'), 24))).toEqual(['10.244.0.0/24', '10.244.1.0/24', '10.244.2.0/24', '10.244.3.0/24'])
    const [first] = splitCidr(parseCidr('::/0'), 128)
    expect(formatCidr(first!)).toBe('::/128')
  })

  test('refuses at the call, not at the first part', () => {
    expect(() => splitCidr(parseCidr('10.0.0.0/16'), 8)).toThrow('Cannot split network "10.0.0.0/16": wanted a prefix length from 16 to 32, got 8')
    expect(() => splitCidr(parseCidr('10.0.0.0/16'), 33)).toThrow(RangeError)
  })

  test('the parts aggregate to the whole (C3)', () => {
    fc.assert(fc.property(anyCidr, fc.nat(6), (cidr, more) => {
      const prefix = Math.min(cidr.prefix + more, cidr.family === 4 ? 32 : 128)
      const parts = [...splitCidr(cidr, prefix)]
      expect(parts.length).toBe(2 ** (prefix - cidr.prefix))
      expect(aggregateCidrs(parts)).toEqual([cidr])
    }))
  })
})

describe.each([4, 6] as const)('aggregateCidrs(), excludeCidrs() of IPv%i', (family) => {
  test('aggregate covers the same addresses with the fewest networks, sorted (C3)', () => {
    fc.assert(fc.property(fc.array(smallCidr(family), { maxLength: 12 }), (cidrs) => {
      expect(format(aggregateCidrs(cidrs))).toEqual(largestInside(addressSet(cidrs), family))
    }), { numRuns: 60 })
  })

  test('exclude covers exactly what is left, with the fewest networks, sorted (C3)', () => {
    fc.assert(fc.property(smallCidr(family), fc.array(smallCidr(family), { maxLength: 8 }), (cidr, excepts) => {
      const left = addressSet([cidr]).difference(addressSet(excepts))
      expect(format(excludeCidrs(cidr, excepts))).toEqual(largestInside(left, family))
    }), { numRuns: 60 })
  })

  test('the order of the input does not matter (C3)', () => {
    fc.assert(fc.property(fc.array(smallCidr(family), { maxLength: 12 }).chain((cidrs) => fc.tuple(fc.constant(cidrs), fc.shuffledSubarray(cidrs, { minLength: cidrs.length }))), ([some, other]) => {
      expect(aggregateCidrs(some)).toEqual(aggregateCidrs(other))
    }))
  })
})

describe('aggregateCidrs(), excludeCidrs(), compareCidr()', () => {
  test('families do not meet', () => {
    expect(format(aggregateCidrs(['::/1', '10.0.0.0/9', '8000::/1', '10.128.0.0/9', '0.0.0.0/32', '::/128'].map(parseCidr)))).toEqual(['0.0.0.0/32', '10.0.0.0/8', '::/0'])
    expect(format(excludeCidrs(parseCidr('10.0.0.0/8'), [parseCidr('::/0')]))).toEqual(['10.0.0.0/8'])
  })

  test('one address out of everything leaves a network per prefix length', () => {
    const left = excludeCidrs(parseCidr('::/0'), [parseCidr('fd00::1/128')])
    expect(left.length).toBe(128)
    expect(left.map(({ prefix }) => prefix).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 128 }, (_, index) => index + 1))
  })

  test('order and equality agree', () => {
    fc.assert(fc.property(anyCidr, anyCidr, (a, b) => {
      expect(compareCidr(a, b) === 0).toBe(equalCidr(a, b))
      expect(Math.sign(compareCidr(a, b))).toBe(-Math.sign(compareCidr(b, a)) + 0)
    }))
    fc.assert(fc.property(anyIp, (ip) => { expect(equalCidr(hostCidr(ip), hostCidr(ip))).toBe(true) }))
  })
})

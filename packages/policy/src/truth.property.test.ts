import type { TracePacket } from '@weft/nftables/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clusterArbitrary, ownAddress, podNames, strangers } from '../test/arbitraries.ts'
import { nodeName } from '../test/cluster.ts'
import { kernelOf, stateOf } from '../test/running.ts'
import { isAllowed, type Probe } from '../test/truth.ts'

const addresses: Readonly<Record<4 | 6, readonly string[]>> = {
  4: [...podNames.map((name, index) => `10.244.${name === 'y/far' ? 2 : 1}.${index + 2}`), ...strangers[4], ownAddress[4]],
  6: [...podNames.map((name, index) => `fd00:10:244:${name === 'y/far' ? 2 : 1}::${index + 2}`), ...strangers[6], ownAddress[6]],
}

function probesOf(family: 4 | 6): readonly Probe[] {
  return addresses[family].flatMap((from) => addresses[family].filter((to) => to !== from || !to.endsWith('11')).flatMap((to): readonly Probe[] => [
    ...[80, 81].map((port): Probe => ({ from, to, protocol: 'tcp', port })), { from, to, protocol: 'udp', port: 80 }, { from, to, protocol: 'sctp', port: 75 }, { from, to, protocol: 'icmp' },
  ])).filter(({ from }) => from !== ownAddress[family])
}

function packetOf({ from, to, protocol, port }: Probe): TracePacket {
  const base = { saddr: from, daddr: to, iif: 'weft1', sport: 40_000 }
  if (protocol === 'icmp') return from.includes(':') ? { ...base, protocol: 'icmpv6', icmpType: 'echo-request' } : { ...base, protocol: 'icmp', icmpType: 'echo-request' }
  return { ...base, protocol, dport: port }
}

describe('the table', () => {
  test('NP-1 to NP-14, NP-60 to NP-62, NP-68 to NP-77: lets through what the API says, and nothing else (promise 1)', { timeout: 60_000 }, () => {
    const kinds = new Set<string>()
    fc.assert(fc.property(clusterArbitrary, fc.constantFrom(4 as const, 6 as const), (objects, family) => {
      const nft = kernelOf(stateOf(objects))
      for (const probe of probesOf(family)) {
        const { verdict } = nft.trace(packetOf(probe), { local: [ownAddress[4], ownAddress[6]] })
        const want = isAllowed(objects, nodeName, probe)
        kinds.add(`${want} ${probe.protocol}`)
        expect(verdict, JSON.stringify(probe)).toBe(want ? 'accept' : 'drop')
      }
    }), { numRuns: 40 })
    // Every kind of probe met both answers: the property was not true of nothing.
    expect(kinds.size).toBe(8)
  })

  test('NP-4: what the node itself sends to its pods always passes', { timeout: 60_000 }, () => {
    fc.assert(fc.property(clusterArbitrary, (objects) => {
      const nft = kernelOf(stateOf(objects))
      for (const family of [4, 6] as const) for (const to of addresses[family]) expect(nft.trace({ saddr: ownAddress[family], daddr: to, dport: 80 }).verdict).toBe('accept')
    }), { numRuns: 10 })
  })
})

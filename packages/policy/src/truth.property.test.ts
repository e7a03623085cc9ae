import type { TracePacket } from '@weft/nftables/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatIp, parseIp } from '@weft/ip'
import { clusterArbitrary, ownAddress, podNames, strangers, tieredClusterArbitrary } from '../test/arbitraries.ts'
import { dnsObjects, type KubeObject, networkPolicy, node, nodeName } from '../test/cluster.ts'
import { judgeHere } from '../test/evaluated.ts'
import { kernelOf, stateOf } from '../test/running.ts'
import type { Packet } from './evaluator/index.ts'

const addresses: Readonly<Record<4 | 6, readonly string[]>> = {
  4: [...podNames.map((name, index) => `10.244.${name === 'y/far' ? 2 : 1}.${index + 2}`), ...strangers[4], ownAddress[4]],
  6: [...podNames.map((name, index) => `fd00:10:244:${name === 'y/far' ? 2 : 1}::${index + 2}`), ...strangers[6], ownAddress[6]],
}

function packetsOf(family: 4 | 6): readonly Packet[] {
  const ips = addresses[family].map((address) => parseIp(address))
  return addresses[family].filter((from) => from !== ownAddress[family]).flatMap((address) => ips.flatMap((to): readonly Packet[] => {
    const ends = { from: parseIp(address), to }
    return [
      { ...ends, protocol: 'TCP', port: 80 }, { ...ends, protocol: 'TCP', port: 81 }, { ...ends, protocol: 'UDP', port: 80 }, { ...ends, protocol: 'SCTP', port: 75 }, { ...ends, protocol: 'ICMP' }, { ...ends, protocol: 'UDP', port: 10_053 },
    ]
  }))
}

function tracedPacket({ from, to, protocol, port }: Packet): TracePacket {
  // What others write into the packet's mark means nothing here.
  const base = { saddr: from, daddr: to, iif: 'weft1', sport: 40_000, mark: port === 81 ? 0xffff_ffff : 0 }
  if (protocol === 'ICMP') return { ...base, protocol: from.family === 6 ? 'icmpv6' : 'icmp', icmpType: 'echo-request' }
  return { ...base, protocol: protocol.toLowerCase() as 'tcp', dport: port }
}

/** Runs all packets through the table of a world, and notes which kinds met which answer. */
function compare(objects: readonly object[], family: 4 | 6, kinds: Set<string>, { closesRanges = false } = {}): void {
  const nft = kernelOf(stateOf(objects, { closesRanges }))
  const judge = judgeHere(objects, { closesRanges })
  for (const packet of packetsOf(family)) {
    const { verdict } = nft.trace(tracedPacket(packet), { local: [ownAddress[4], ownAddress[6]] })
    const want = judge(packet)
    kinds.add(`${want} ${packet.protocol}`)
    expect(verdict, `${formatIp(packet.from)} to ${formatIp(packet.to)} ${packet.protocol} ${packet.port}`).toBe(want ? 'accept' : 'drop')
  }
}

describe('the table', () => {
  test('NP-1 to NP-14, NP-60 to NP-62, NP-68 to NP-77: lets through what the API says, and nothing else (promise 1)', { timeout: 60_000 }, () => {
    const kinds = new Set<string>()
    fc.assert(fc.property(clusterArbitrary, fc.constantFrom(4 as const, 6 as const), (objects, family) => compare(objects, family, kinds)), { numRuns: 40 })
    // Every kind of probe met both answers: the property was not true of nothing.
    expect(kinds.size).toBe(8)
  })

  test('CNP-1 to CNP-14, CNP-17 to CNP-26: so it does with policies of the cluster, of all tiers, priorities and kinds of peers (promise 1)', { timeout: 60_000 }, () => {
    const kinds = new Set<string>()
    fc.assert(fc.property(tieredClusterArbitrary, fc.constantFrom(4 as const, 6 as const), (objects, family) => compare(objects, family, kinds)), { numRuns: 60 })
    expect(kinds.size).toBe(8)
  })

  test('CNP-9, CNP-14: so it does where servers of the cluster DNS are on nodes, whatever means them (promise 9)', { timeout: 60_000 }, () => {
    const kinds = new Set<string>()
    const byDns = fc.constantFrom(
      { namespaceSelector: {}, podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } }, { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } } }, { ipBlock: { cidr: '10.96.0.0/16' } }, { ipBlock: { cidr: '172.30.0.0/16' } },
    )
    const egress = fc.array(fc.record({ to: fc.array(byDns, { maxLength: 2 }), ports: fc.array(fc.constantFrom({ port: 53, protocol: 'UDP' }, { port: 'dns', protocol: 'UDP' }, { port: 53 }, { protocol: 'UDP' }), { maxLength: 2 }) }, { requiredKeys: [] }), { maxLength: 2 })
    fc.assert(fc.property(tieredClusterArbitrary, egress, fc.constantFrom(4 as const, 6 as const), (objects, rules, family) => {
      const servers = dnsObjects([strangers[4][0]!, strangers[6][0]!])
      compare([...objects, ...servers, networkPolicy('x/to-dns', { policyTypes: ['Egress'], egress: rules })], family, kinds)
    }), { numRuns: 40 })
    expect([...kinds]).toEqual(expect.arrayContaining(['true UDP', 'false UDP', 'false ICMP']))
  })

  test('P4: so it does beside another CNI plugin, where addresses of the node\'s ranges are closed that no pod of it has', { timeout: 60_000 }, () => {
    const kinds = new Set<string>()
    const here = node(nodeName, [ownAddress[4], ownAddress[6]], {}, ['10.244.1.0/24', 'fd00:10:244:1::/64'])
    fc.assert(fc.property(tieredClusterArbitrary, fc.subarray([...podNames]), fc.constantFrom(4 as const, 6 as const), (objects, known, family) => {
      const isThere = (each: object): boolean => {
        const { kind, metadata: { namespace, name } } = each as KubeObject
        return kind === 'Pod' ? known.some((key) => key === `${namespace}/${name}`) : kind !== 'Node'
      }
      compare([...objects.filter(isThere), here], family, kinds, { closesRanges: true })
    }), { numRuns: 40 })
    expect(kinds.size).toBe(8)
  })

  test('NP-4: what the node itself sends to its pods always passes', { timeout: 60_000 }, () => {
    fc.assert(fc.property(clusterArbitrary, (objects) => {
      const nft = kernelOf(stateOf(objects))
      for (const family of [4, 6] as const) for (const to of addresses[family]) expect(nft.trace({ saddr: ownAddress[family], daddr: to, dport: 80 }).verdict).toBe('accept')
    }), { numRuns: 10 })
  })
})

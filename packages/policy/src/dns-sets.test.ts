import { parseIp } from '@weft/ip'
import { baseChain, diffTable, eq, notrack, rule, table, udp } from '@weft/nftables'
import { FakeNft } from '@weft/nftables/testing'
import { describe, expect, test } from 'vitest'
import { clusterPolicy, dnsObjects, namespace, networkPolicy, node, nodeName, pod, storesOf } from '../test/cluster.ts'
import { clusterOf } from '../test/evaluated.ts'
import { kernelOf, runPolicy, stateOf } from '../test/running.ts'
import { createEvaluator } from './evaluator/index.ts'

const a = '10.244.1.2'
const client = '10.244.2.9'
const world = [namespace('x'), pod('x/a', { ips: [a] })]

const notrackTable = table({ name: 'other', chains: [baseChain('raw', { type: 'filter', hook: 'prerouting', priority: -300 }, [rule(eq(udp.sport, 53), notrack)])] })

describe('the cluster DNS', () => {
  const egress = (rule: object): readonly object[] => [...world, ...dnsObjects(), networkPolicy('x/dns', { policyTypes: ['Ingress', 'Egress'], egress: [rule] })]
  const ask = (objects: readonly object[], { to = '172.30.1.11', dport = 10_053, protocol = 'udp' }: { readonly to?: string, readonly dport?: number, readonly protocol?: 'udp' | 'tcp' } = {}): string =>
    kernelOf(stateOf(objects)).trace({ saddr: a, daddr: to, protocol, dport, sport: 5353, iif: 'weft1' }, { local: ['172.30.1.11'] }).verdict
  const byLabels = { to: [{ namespaceSelector: {}, podSelector: { matchLabels: { 'k8s-app': 'kube-dns' } } }], ports: [{ port: 53, protocol: 'UDP' }, { port: 53, protocol: 'TCP' }] }

  test.each([
    ['its labels', byLabels],
    ['its namespace', { to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'kube-system' } } }] }],
    ['port 53 anywhere', { ports: [{ port: 53, protocol: 'UDP' }] }],
    ['port 53 of every address', { to: [{ ipBlock: { cidr: '0.0.0.0/0' } }], ports: [{ port: 53, protocol: 'UDP' }] }],
    ['the Service by its address', { to: [{ ipBlock: { cidr: '10.96.0.10/32' } }], ports: [{ port: 53, protocol: 'UDP' }] }],
    ['the port by its name', { to: [{ namespaceSelector: {} }], ports: [{ port: 'dns', protocol: 'UDP' }] }],
  ])('NP-78: a rule that means %s allows its servers, on every node', (_, rule) => {
    expect([ask(egress(rule)), ask(egress(rule), { to: '172.30.1.12' })]).toEqual(['accept', 'accept'])
  })

  test.each([
    ['other pods', { to: [{ podSelector: {} }] }],
    ['another port of it', { to: [{ namespaceSelector: {} }], ports: [{ port: 9153 }] }],
    ['another protocol', { to: [{ namespaceSelector: {} }], ports: [{ port: 53 }] }],
    ['other networks', { to: [{ ipBlock: { cidr: '203.0.113.0/24' } }], ports: [{ port: 53, protocol: 'UDP' }] }],
  ])('a rule that means %s does not', (_, rule) => {
    expect(ask(egress(rule))).toBe('drop')
  })

  test('CNP-14: a Deny on nodes closes everything of them but the servers on them, in the kernel and in the evaluator', () => {
    const objects = [...world, ...dnsObjects(), node(nodeName, ['172.30.1.11']), node('node-2', ['172.30.1.12']), clusterPolicy('no-nodes', { tier: 'Admin', priority: 1, egress: [{ action: 'Deny', to: [{ nodes: {} }] }] })]
    const judge = createEvaluator(clusterOf(objects))
    const nft = kernelOf(stateOf(objects))
    for (const to of ['172.30.1.11', '172.30.1.12']) {
      const say = (protocol: 'udp' | 'tcp' | 'icmp', dport?: number): readonly [string, boolean] => [
        nft.trace({ saddr: a, daddr: to, protocol, ...(dport === undefined ? { icmpType: 'echo-request' } : { dport, sport: 5353 }), iif: 'weft1' }, { local: ['172.30.1.11'] }).verdict,
        judge({ from: parseIp(a), to: parseIp(to), ...(protocol === 'icmp' ? { protocol: 'ICMP' } : { protocol: protocol === 'udp' ? 'UDP' : 'TCP', port: dport! }) }).egress.allowed,
      ]
      expect([say('udp', 10_053), say('tcp', 10_053)]).toEqual([['accept', true], ['accept', true]])
      expect([say('tcp', 22), say('udp', 53), say('icmp')]).toEqual([['drop', false], ['drop', false], ['drop', false]])
    }
  })

  test('only its own ports of the node are open', () => {
    expect([ask(egress(byLabels), { dport: 10_250, protocol: 'tcp' }), ask(egress(byLabels), { dport: 9153, protocol: 'tcp' }), ask(egress(byLabels), { dport: 53 })]).toEqual(['drop', 'drop', 'drop'])
  })

  test('answers that are not tracked pass, others from there do not', () => {
    const nft = kernelOf(stateOf(egress(byLabels)))
    expect(nft.trace({ saddr: '10.96.0.10', daddr: a, protocol: 'udp', sport: 53, dport: 5353, iif: 'eth0' }).verdict).toBe('drop')
    nft.commit(diffTable(undefined, notrackTable))
    expect(nft.trace({ saddr: '10.96.0.10', daddr: a, protocol: 'udp', sport: 53, dport: 5353, iif: 'eth0' }).verdict).toBe('accept')
    expect(nft.trace({ saddr: client, daddr: a, protocol: 'udp', sport: 53, dport: 5353, iif: 'eth0' }).verdict).toBe('drop')
  })

  test('P7: a server that moves is one element of each set, no chain', async () => {
    const nft = new FakeNft()
    const stores = storesOf(egress(byLabels))
    await using running = runPolicy({ stores, nft, podsOfNode: nodeName })
    await running.settled()
    const { slices } = storesOf(dnsObjects(['172.30.1.11', '172.30.2.13']))
    for (const slice of slices.values()) stores.slices.put(slice)
    await running.settled()
    expect(nft.log.at(-1)?.split('\n').filter((line) => line !== '')).toHaveLength(6)
    expect(nft.log.at(-1)).not.toContain('chain')
  })
})

import { toNetworkPolicy } from '@weft/api'
import { formatTable } from '@weft/nftables'
import { describe, expect, test } from 'vitest'
import { clusterPolicy, namespace, networkPolicy, pod } from '../test/cluster.ts'
import { kernelOf, stateOf } from '../test/running.ts'
import { formatPlaces, mergeRules } from './merge-rules.ts'

const [a, client] = ['10.244.1.2', '10.244.2.9']
const world = [namespace('x'), namespace('y'), pod('x/a', { ips: [a] })]
const app = (name: string): object => ({ podSelector: { matchLabels: { app: name } } })
const block = (cidr: string): object => ({ ipBlock: { cidr } })
const noted = (object: object, annotations: Readonly<Record<string, string>>): object => ({ ...object, metadata: { ...(object as { readonly metadata: object }).metadata, annotations } })

/** Rules with a comment are those of policies. */
function rulesOf(...objects: readonly object[]): readonly string[] {
  return formatTable(stateOf([...world, ...objects]).table()).split('\n').filter((line) => line.includes('counter') && line.includes(' comment ')).map((line) => line.trim().replace(' counter packets 0 bytes 0', ''))
}

function merged(ingress: readonly object[]): readonly { readonly peers: number, readonly ports: number, readonly places: string }[] {
  const rules = toNetworkPolicy(networkPolicy('x/p', { ingress })).ingress!.map((rule, index) => ({ rule, places: [index] }))
  return mergeRules(rules).map(({ rule: { peers, ports }, places }) => ({ peers: peers.length, ports: ports.length, places: formatPlaces('ingress', places) }))
}

describe('mergeRules()', () => {
  test('rules of the same peers have their ports together, then those of the same ports their peers', () => {
    expect(merged([{ from: [app('a')], ports: [{ port: 80 }] }, { from: [app('b')], ports: [{ port: 81 }] }, { from: [app('a')], ports: [{ port: 81 }] }, { from: [app('b')], ports: [{ port: 80 }] }]))
      .toEqual([{ peers: 2, ports: 2, places: 'ingress[0-3]' }])
    expect(merged([{ from: [app('a')], ports: [{ port: 80 }] }, { from: [app('b')], ports: [{ port: 82 }] }, { from: [app('a')], ports: [{ port: 81 }] }])).toEqual([{ peers: 1, ports: 2, places: 'ingress[0,2]' }, { peers: 1, ports: 1, places: 'ingress[1]' }])
    expect(merged([{ from: [app('a')], ports: [{ port: 80 }] }, { from: [app('b')], ports: [{ port: 80 }] }, { from: [block('10.0.0.0/8')], ports: [{ port: 80 }] }])).toEqual([{ peers: 3, ports: 1, places: 'ingress[0-2]' }])
  })

  test('NP-7: everybody and all ports take the others in', () => {
    expect(merged([{ from: [app('a')] }, {}, { from: [app('a')], ports: [{ port: 80 }] }])).toEqual([{ peers: 0, ports: 0, places: 'ingress[0-2]' }])
    expect(merged([{ from: [app('a')], ports: [{ port: 80 }] }, { ports: [{ port: 80 }] }])).toEqual([{ peers: 0, ports: 1, places: 'ingress[0-1]' }])
  })

  test('what differs in both stays apart', () => {
    expect(merged([{ from: [app('a')], ports: [{ port: 80 }] }, { from: [app('b')], ports: [{ port: 81 }] }])).toHaveLength(2)
  })
})

describe('the chain of a policy', () => {
  test('a hundred rules that differ in their networks are one, and mean the same', () => {
    const objects = networkPolicy('x/many', { ingress: Array.from({ length: 100 }, (_, index) => ({ from: [block(`198.51.100.${index}/32`), block(`203.0.${index}.0/24`)] })) })
    expect(rulesOf(objects)).toEqual([expect.stringMatching(/^ip saddr @net4-\w+ goto allowed comment "x\/many ingress\[0-99\]"$/)])
    const nft = kernelOf(stateOf([...world, objects]))
    const ask = (saddr: string): string => nft.trace({ saddr, daddr: a, dport: 80, iif: 'weft1' }).verdict
    expect(['198.51.100.0', '198.51.100.99', '203.0.7.9', '198.51.100.100', '203.0.100.1'].map(ask)).toEqual(['accept', 'accept', 'accept', 'drop', 'drop'])
  })

  test('more selectors than a few are one set, which follows their pods and namespaces', () => {
    const peers = [...Array.from({ length: 8 }, (_, index) => app(`app-${index}`)), { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'y' } } }]
    const policy = networkPolicy('x/many', { ingress: peers.map((peer) => ({ from: [peer], ports: [{ port: 80 }] })) })
    const pods = [pod('x/c', { ips: [client], labels: { app: 'app-7' } }), pod('y/d', { ips: ['10.244.2.10'] }), pod('x/e', { ips: ['10.244.2.11'], labels: { app: 'app-8' } })]
    expect(rulesOf(policy)).toEqual([4, 6].map((family) => expect.stringMatching(new RegExp(`^ip6? saddr @sel${family}-\\w+ tcp dport 80 goto allowed`))))
    const nft = kernelOf(stateOf([...world, ...pods, policy]))
    expect([client, '10.244.2.10', '10.244.2.11', '203.0.113.1'].map((saddr) => nft.trace({ saddr, daddr: a, dport: 80, iif: 'weft1' }).verdict)).toEqual(['accept', 'accept', 'drop', 'drop'])
  })

  test('CNP-4: of a policy of the cluster only neighbours of one action are merged, for the first that matches decides', () => {
    const rule = (action: string, name: string): object => ({ action, from: [{ namespaces: { matchLabels: { 'kubernetes.io/metadata.name': name } } }] })
    const policy = clusterPolicy('order', { tier: 'Admin', priority: 1, ingress: [rule('Deny', 'x'), rule('Deny', 'y'), rule('Accept', 'x'), rule('Deny', 'z')] })
    expect(rulesOf(policy).filter((line) => line.startsWith('ip saddr')).map((line) => line.replace(/@sel4-\w+/, '@set'))).toEqual([
      'ip saddr @set goto denied comment "ClusterNetworkPolicy/order ingress[0-1]"', 'ip saddr @set goto denied comment "ClusterNetworkPolicy/order ingress[0-1]"',
      'ip saddr @set goto allowed comment "ClusterNetworkPolicy/order ingress[2]"', 'ip saddr @set goto denied comment "ClusterNetworkPolicy/order ingress[3]"',
    ])
  })

  test.each([['weft.dev/counters', 'true'], ['weft.dev/log', 'allowed']])('%s keeps the rules of a policy apart', (annotation, value) => {
    const policy = networkPolicy('x/p', { ingress: [{ from: [block('198.51.100.1/32')] }, { from: [block('198.51.100.2/32')] }] })
    expect([rulesOf(policy).length, rulesOf(noted(policy, { [annotation]: value })).length]).toEqual([1, 2])
  })
})

describe('a policy that selects no pod here', () => {
  test('P7: has nothing in the kernel, and comes with the first pod it selects', () => {
    const policy = networkPolicy('x/elsewhere', { podSelector: { matchLabels: { app: 'db' } }, ingress: [{ from: [app('web')], ports: [{ port: 'sql' }] }] })
    const far = pod('x/db', { ips: [client], labels: { app: 'db' }, node: 'node-2' })
    expect(formatTable(stateOf([...world, far, policy]).table())).toBe(formatTable(stateOf([...world, far]).table()))
    const near = pod('x/db', { ips: ['10.244.1.3'], labels: { app: 'db' } })
    expect(rulesOf(near, policy)).toHaveLength(2)
  })
})

import { describe, expect, test } from 'vitest'
import { clusterNetworkPolicyResource, clusterPolicyKey, type ClusterNetworkPolicy, compareClusterPolicies, toClusterNetworkPolicy, adminNetworkPolicyResource, baselineAdminNetworkPolicyResource } from './cluster-network-policy.ts'

const standing = { tier: 'Admin', priority: 7, subject: { namespaces: {} } }
const read = (spec: unknown): ClusterNetworkPolicy => toClusterNetworkPolicy({ metadata: { name: 'p' }, spec })
const everywhere = [{ namespaces: {} }]
const anyPod = { kind: 'pods', namespaces: [], pods: [] }
const denyAll = { action: 'Deny', peers: [], ports: [] }

describe('toClusterNetworkPolicy()', () => {
  test('CNP-1, CNP-3, CNP-8: tier, priority and subject', () => {
    expect(read(standing)).toMatchObject({ kind: 'ClusterNetworkPolicy', tier: 'Admin', priority: 7, subject: { namespaces: [], pods: [] }, ingress: [], egress: [], problems: [] })
    expect(read({ ...standing, subject: { pods: { namespaceSelector: { matchLabels: { a: 'b' } }, podSelector: {} } } }).subject).toEqual({ namespaces: [{ key: 'a', operator: 'In', values: ['b'] }], pods: [] })
  })

  test('CNP-5, CNP-9, CNP-11: actions, peers of both directions, protocols', () => {
    const { ingress, egress, problems } = read({
      ...standing,
      ingress: [{ name: 'in', action: 'Pass', from: [{ pods: { namespaceSelector: {}, podSelector: {} } }], protocols: [{ tcp: {} }, { udp: { destinationPort: { number: 53 } } }, { sctp: { destinationPort: { range: { start: 5, end: 9 } } } }] }],
      egress: [
        { action: 'Accept', to: [{ networks: ['10.0.0.7/8', 'fd00::/8'] }, { nodes: {} }, { domainNames: ['Example.COM.', '*.example.com'] }] },
        { action: 'Deny', to: everywhere, protocols: [{ destinationNamedPort: 'web' }] },
      ],
    })
    expect(problems).toEqual([])
    expect(ingress).toEqual([{ name: 'in', action: 'Pass', peers: [anyPod], ports: [{ protocol: 'TCP', port: undefined, endPort: undefined }, { protocol: 'UDP', port: 53, endPort: undefined }, { protocol: 'SCTP', port: 5, endPort: 9 }] }])
    expect(egress[0]!.peers).toMatchObject([{ kind: 'ipBlock', cidr: { prefix: 8 } }, { kind: 'ipBlock', cidr: { family: 6 } }, { kind: 'nodes', nodes: [] }, { kind: 'domain', name: 'example.com' }, { kind: 'domain', name: '*.example.com' }])
    expect(egress[1]!.ports.map(({ protocol, port }) => [protocol, port])).toEqual([['TCP', 'web'], ['UDP', 'web'], ['SCTP', 'web']])
  })

  test.each<readonly [string, object]>([
    ['a peer of a later version', { to: [...everywhere, { planets: {} }] }],
    ['no peers', { to: [] }], ['absent peers', {}],
    ['a peer of two kinds', { to: [{ namespaces: {}, networks: ['10.0.0.0/8'] }] }],
    ['no networks', { to: [{ networks: [] }] }],
    ['a network that is none', { to: [{ networks: ['10.0.0.0/8', 'x'] }] }],
    ['a name that is none', { to: [{ domainNames: ['a*.example.com'] }] }],
    ['no protocols', { to: everywhere, protocols: [] }],
    ['a protocol of a later version', { to: everywhere, protocols: [{ tcp: {} }, { quic: {} }] }],
    ['a range backwards', { to: everywhere, protocols: [{ tcp: { destinationPort: { range: { start: 9, end: 5 } } } }] }],
    ['a named port of a network', { to: [{ networks: ['10.0.0.0/8'] }], protocols: [{ destinationNamedPort: 'web' }] }],
  ])('CNP-13: of %s, Accept matches nothing, Deny and Pass deny all', (_, rule) => {
    const { egress, problems } = read({ ...standing, egress: [{ action: 'Accept', ...rule }, { action: 'Deny', ...rule }, { action: 'Pass', ...rule }] })
    expect(egress).toMatchObject([denyAll, denyAll])
    expect(problems).toHaveLength(3)
  })

  test('CNP-9, CNP-13: domainNames, nodes and networks are for what they are for', () => {
    expect(read({ ...standing, egress: [{ action: 'Deny', to: [{ domainNames: ['example.com'] }] }] }).egress).toMatchObject([denyAll])
    expect(read({ ...standing, ingress: [{ action: 'Accept', from: [{ nodes: {} }] }, { action: 'Deny', from: [{ networks: ['10.0.0.0/8'] }] }] }).ingress).toMatchObject([denyAll])
  })

  test.each<readonly [string, object]>([['tier', { tier: 'Middle' }], ['priority', { priority: 1001 }], ['priority', { priority: '7' }], ['subject', { subject: {} }], ['subject', { subject: { namespaces: {}, pods: { namespaceSelector: {}, podSelector: {} } } }]])(
    'CNP-13: without a readable %s its denials come first and it accepts nothing', (field, change) => {
      const policy = read({ tier: 'Baseline', priority: 9, subject: { namespaces: { matchLabels: { a: 'b' } } }, ...change, ingress: [{ action: 'Accept', from: everywhere }, { action: 'Pass', from: everywhere }] })
      expect(policy).toMatchObject({ tier: 'Admin', priority: 0, ingress: [{ action: 'Deny', peers: [anyPod] }], problems: [expect.stringContaining(`spec.${field}`)] })
      expect(policy.subject.namespaces).toHaveLength(field === 'subject' ? 0 : 1)
    })

  test('CNP-4: rules that are no list, or none, or more than the API takes', () => {
    expect(read({ ...standing, ingress: 'x' }).ingress).toMatchObject([denyAll])
    expect(read({ ...standing, ingress: [null, 'x', { from: everywhere }] }).ingress).toMatchObject([denyAll, denyAll, denyAll])
    expect(read({ ...standing, ingress: Array.from({ length: 100 }, () => ({ action: 'Deny', from: everywhere })) }).ingress).toHaveLength(100)
  })

  test('CNP-26: AdminNetworkPolicy and BaselineAdminNetworkPolicy say the same in the words of v1alpha1', () => {
    const admin = adminNetworkPolicyResource.trim({
      metadata: { name: 'a' },
      spec: { priority: 3, subject: { namespaces: {} }, egress: [{ action: 'Allow', to: everywhere, ports: [{ portNumber: { port: 80 } }, { namedPort: 'web' }, { portRange: { protocol: 'UDP', start: 5, end: 9 } }] }, { action: 'Pass', to: everywhere }] },
    })
    expect(admin).toMatchObject({ tier: 'Admin', priority: 3, problems: [], egress: [{ action: 'Accept', ports: [{ protocol: 'TCP', port: 80 }, { port: 'web' }, { port: 'web' }, { port: 'web' }, { protocol: 'UDP', port: 5, endPort: 9 }] }, { action: 'Pass' }] })
    const baseline = baselineAdminNetworkPolicyResource.trim({ metadata: { name: 'default' }, spec: { subject: { namespaces: {} }, ingress: [{ action: 'Deny', from: everywhere }, { action: 'Pass', from: everywhere }] } })
    expect(baseline).toMatchObject({ tier: 'Baseline', priority: 1000, ingress: [{ action: 'Deny', peers: [anyPod] }, denyAll] })
    expect([clusterNetworkPolicyResource.path, clusterPolicyKey(admin), clusterPolicyKey(baseline)]).toEqual(['/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies', 'AdminNetworkPolicy/a', 'BaselineAdminNetworkPolicy/default'])
  })

  test('CNP-3: policies are ordered by priority, and of the same one always alike', () => {
    const named = (name: string, priority: number): ClusterNetworkPolicy => toClusterNetworkPolicy({ metadata: { name }, spec: { ...standing, priority } })
    const all = [named('b', 5), named('a', 5), named('c', 1), named('d', 900)]
    for (const order of [all, all.toReversed()]) expect(order.toSorted(compareClusterPolicies).map(({ name }) => name)).toEqual(['c', 'a', 'b', 'd'])
  })
})

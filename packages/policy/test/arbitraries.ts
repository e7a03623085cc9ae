import fc from 'fast-check'
import { clusterPolicy, namespace, networkPolicy, node, nodeName, pod } from './cluster.ts'

/** Small worlds: few names, so that things meet. */

const labels = fc.dictionary(fc.constantFrom('app', 'tier'), fc.constantFrom('a', 'b'), { maxKeys: 2 })

const requirement = fc.oneof(
  fc.record({ key: fc.constantFrom('app', 'tier'), operator: fc.constantFrom('In', 'NotIn'), values: fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 2 }) }),
  fc.record({ key: fc.constantFrom('app', 'tier'), operator: fc.constantFrom('Exists', 'DoesNotExist') }),
)

const selector = fc.oneof(
  fc.constant({}),
  fc.record({ matchLabels: labels }),
  fc.record({ matchExpressions: fc.array(requirement, { maxLength: 2 }) }),
)

const namespaceSelector = fc.oneof(selector, fc.constantFrom('x', 'y').map((name) => ({ matchLabels: { 'kubernetes.io/metadata.name': name } })))

const ipBlock = fc.constantFrom(
  { cidr: '10.244.0.0/16' },
  { cidr: '10.244.1.2/32' },
  { cidr: '10.244.1.0/24', except: ['10.244.1.2/31', '10.244.1.4/32'] },
  { cidr: '0.0.0.0/0', except: ['10.244.0.0/15', '10.244.2.0/24'] },
  { cidr: 'fd00:10:244::/48' },
  { cidr: '::/0', except: ['fd00:10:244:1::2/128', 'fd00:10:244:2::/64'] },
)

const peer = fc.oneof(
  selector.map((podSelector) => ({ podSelector })),
  namespaceSelector.map((found) => ({ namespaceSelector: found })),
  fc.tuple(namespaceSelector, selector).map(([found, podSelector]) => ({ namespaceSelector: found, podSelector })),
  ipBlock.map((block) => ({ ipBlock: block })),
)

const port = fc.oneof(
  fc.record({ port: fc.constantFrom(80, 81, 'web', 'dns') }, { requiredKeys: ['port'] }),
  fc.record({ protocol: fc.constantFrom('TCP', 'UDP', 'SCTP') }),
  fc.record({ protocol: fc.constantFrom('TCP', 'UDP', 'SCTP'), port: fc.constantFrom(80, 81, 'web', 'dns') }),
  fc.tuple(fc.constantFrom('TCP', 'UDP', 'SCTP'), fc.integer({ min: 70, max: 81 }), fc.integer({ min: 0, max: 10 })).map(([protocol, first, more]) => ({ protocol, port: first, endPort: first + more })),
)

const rules = (name: 'from' | 'to'): fc.Arbitrary<readonly object[]> =>
  fc.array(fc.record({ [name]: fc.array(peer, { maxLength: 3 }), ports: fc.array(port, { maxLength: 3 }) }, { requiredKeys: [] }), { maxLength: 5 })

const policySpec = fc.record({
  podSelector: selector,
  policyTypes: fc.constantFrom(['Ingress'], ['Egress'], ['Ingress', 'Egress']),
  ingress: rules('from'),
  egress: rules('to'),
}, { requiredKeys: ['podSelector'] })

export const policyArbitrary: fc.Arbitrary<object> = fc.tuple(fc.constantFrom('x/p', 'x/q', 'y/p', 'y/q'), policySpec).map(([key, spec]) => networkPolicy(key, spec))

const clusterPods = fc.oneof(
  namespaceSelector.map((namespaces) => ({ namespaces })),
  fc.tuple(namespaceSelector, selector).map(([found, podSelector]) => ({ pods: { namespaceSelector: found, podSelector } })),
)

/** Names that rules may mean, and what DNS gave for them: pods, the outside, another node. */
export const domainAnswers: Readonly<Record<string, readonly string[]>> = {
  'example.com': ['203.0.113.9', '2001:db8:113::9'], 'a.b.example.com': ['10.244.1.4', 'fd00:10:244:1::4'], 'example.org': ['172.30.1.12'],
}

const clusterEgressPeer = fc.oneof(
  { weight: 3, arbitrary: clusterPods },
  fc.uniqueArray(ipBlock.map(({ cidr }) => cidr), { minLength: 1, maxLength: 2 }).map((networks) => ({ networks })),
  fc.constantFrom({}, { matchLabels: { role: 'edge' } }).map((nodes) => ({ nodes })),
  fc.uniqueArray(fc.constantFrom('example.com', '*.example.com', '*.org'), { minLength: 1, maxLength: 2 }).map((domainNames) => ({ domainNames })),
  { weight: 1, arbitrary: fc.constant({ planets: {} }) },
)

const clusterProtocol = fc.oneof(
  fc.tuple(fc.constantFrom('tcp', 'udp', 'sctp'), fc.oneof(
    fc.constant({}),
    fc.constantFrom(80, 81).map((number) => ({ destinationPort: { number } })),
    fc.tuple(fc.integer({ min: 70, max: 80 }), fc.integer({ min: 1, max: 9 })).map(([start, more]) => ({ destinationPort: { range: { start, end: start + more } } })),
  )).map(([protocol, of]) => ({ [protocol]: of })),
  fc.constantFrom('web', 'dns').map((name) => ({ destinationNamedPort: name })),
)

const clusterRules = (name: 'from' | 'to'): fc.Arbitrary<readonly object[]> => fc.array(fc.record({
  action: fc.constantFrom('Accept', 'Deny', 'Pass'),
  [name]: fc.array(name === 'from' ? clusterPods : clusterEgressPeer, { minLength: 1, maxLength: 2 }),
  protocols: fc.array(clusterProtocol, { minLength: 1, maxLength: 2 }),
}, { requiredKeys: ['action', name] }), { maxLength: 3 })

/** Few priorities, so that they meet. */
export const clusterPolicyArbitrary: fc.Arbitrary<object> = fc.tuple(fc.constantFrom('p', 'q', 'r'), fc.record({
  tier: fc.constantFrom('Admin', 'Admin', 'Baseline'), priority: fc.nat(2), subject: clusterPods, ingress: clusterRules('from'), egress: clusterRules('to'),
}, { requiredKeys: ['tier', 'priority', 'subject'] })).map(([name, spec]) => clusterPolicy(name, spec))

/** Addresses a probe may come from or go to that no pod has: another node, the outside. */
export const strangers: Readonly<Record<4 | 6, readonly string[]>> = { 4: ['172.30.1.12', '203.0.113.9'], 6: ['fd00:172:30:1::12', '2001:db8:113::9'] }
export const ownAddress: Readonly<Record<4 | 6, string>> = { 4: '172.30.1.11', 6: 'fd00:172:30:1::11' }

export const podNames = ['x/a', 'x/b', 'y/a', 'y/far', 'x/odd'] as const

/** The pods of a world; each has addresses of its own. */
function podOf(name: string, own: Readonly<Record<string, string>>, odd: 'host' | 'ended' | 'plain' = 'plain'): object {
  const number = podNames.indexOf(name as (typeof podNames)[number]) + 2
  const node = name === 'y/far' ? 2 : 1
  return pod(name, {
    labels: own,
    node: node === 1 ? nodeName : 'node-2',
    ips: odd === 'host' ? [ownAddress[4], ownAddress[6]] : [`10.244.${node}.${number}`, `fd00:10:244:${node}::${number}`],
    hostNetwork: odd === 'host',
    phase: odd === 'ended' ? 'Succeeded' : 'Running',
    ports: [{ name: 'web', containerPort: 79 + (number % 3) }, { name: 'dns', containerPort: 80, protocol: 'UDP' }],
  })
}

export const podArbitrary: fc.Arbitrary<object> = fc.tuple(fc.constantFrom(...podNames), labels, fc.constantFrom('host', 'ended', 'plain')).map(([name, own, odd]) => podOf(name, own, name === 'x/odd' ? odd : 'plain'))

export const namespaceArbitrary: fc.Arbitrary<object> = fc.tuple(fc.constantFrom('x', 'y'), labels).map(([name, own]) => namespace(name, own))

const nameOf = (each: object): string => JSON.stringify((each as { readonly metadata: object }).metadata)

export const nodeArbitrary: fc.Arbitrary<object> = fc.tuple(fc.constantFrom(1, 2), fc.constantFrom({}, { role: 'edge' }))
  .map(([number, own]) => node(`node-${number}`, [`172.30.1.1${number}`, `fd00:172:30:1::1${number}`], own as Readonly<Record<string, string>>))

/** A whole world at rest. */
export const clusterArbitrary: fc.Arbitrary<readonly object[]> = fc.record({
  namespaces: fc.tuple(labels, labels).map(([x, y]) => [namespace('x', x), namespace('y', y)]),
  pods: fc.tuple(...podNames.map(() => labels), fc.constantFrom('host' as const, 'ended' as const, 'plain' as const))
    .map((values) => podNames.map((name, index) => podOf(name, values[index] as Readonly<Record<string, string>>, name === 'x/odd' ? values.at(-1) as 'host' | 'ended' | 'plain' : 'plain'))),
  policies: fc.uniqueArray(policyArbitrary, { maxLength: 4, selector: nameOf }),
}).map(({ namespaces, pods, policies }) => [...namespaces, ...pods, ...policies])

/** The same with policies of the cluster, around and between those of namespaces. */
export const tieredClusterArbitrary: fc.Arbitrary<readonly object[]> = fc.tuple(
  clusterArbitrary, fc.uniqueArray(clusterPolicyArbitrary, { minLength: 1, maxLength: 3, selector: nameOf }), fc.uniqueArray(nodeArbitrary, { selector: nameOf }),
).map((parts) => parts.flat())

import { parseIp } from '@weft/ip'
import { describe, expect, test } from 'vitest'
import { clusterPolicy, packetsOf, policyIn, type WorldEdits, worldOf } from '../../test/probes.ts'
import { createEvaluator } from './evaluator.ts'
import type { Packet } from './packet.ts'

// Written by hand from the types of policy.networking.k8s.io and its conformance suite, never from what the code says.

interface Row extends WorldEdits {
  readonly title: string
  readonly policies: readonly object[]
  /** Probes that get through; see packetsOf. */
  readonly open: string
  readonly closed: string
}

const ns = (name: string): object => ({ namespaces: { matchLabels: { ns: name } } })
const everyNamespace = { namespaces: {} }
const pods = (namespace: string, pod: string): object => ({ pods: { namespaceSelector: { matchLabels: { ns: namespace } }, podSelector: { matchLabels: { pod } } } })
const networks = (...cidrs: readonly string[]): object => ({ networks: cidrs })
const domains = (...names: readonly string[]): object => ({ domainNames: names })
const nodes = (matchLabels: object): object => ({ nodes: { matchLabels } })
const port = (protocol: string, number: number): object => ({ [protocol]: { destinationPort: { number } } })
const range = (protocol: string, start: number, end: number): object => ({ [protocol]: { destinationPort: { range: { start, end } } } })
const rule = (action: string, side: 'from' | 'to', peers: readonly object[], protocols?: readonly object[]): object => ({ action, [side]: peers, ...(protocols === undefined ? {} : { protocols }) })
const from = (action: string, peers: readonly object[], protocols?: readonly object[]): object => rule(action, 'from', peers, protocols)
const to = (action: string, peers: readonly object[], protocols?: readonly object[]): object => rule(action, 'to', peers, protocols)
const denyY = from('Deny', [ns('y')])
const acceptY = from('Accept', [ns('y')])
const passY = from('Pass', [ns('y')])

/** Accept, Deny and Pass of one protocol: order is respected, and so are ports. */
function perProtocol(id: string, protocol: 'tcp' | 'udp' | 'sctp', side: 'from' | 'to', tier: 'Admin' | 'Baseline' = 'Admin'): readonly Row[] {
  const upper = protocol.toUpperCase()
  const [direction, towards, away] = side === 'from' ? ['ingress', `y/a>x/a`, `z/a>x/a`] : ['egress', `x/a>y/a`, `x/a>z/a`]
  const of = (...rules: readonly object[]): readonly object[] => [clusterPolicy({ tier, [direction]: rules })]
  const at = (number: number): readonly object[] => [port(protocol, number)]
  const named = `${tier} ${direction} over ${upper}`
  return [
    { title: `${id}: ${named}, Accept before Deny`, policies: of(rule('Accept', side, [ns('y')]), rule('Deny', side, [ns('y')])), open: `${towards}:80/${upper} ${away}:80/${upper}`, closed: '' },
    { title: `${id}: ${named}, Deny before Accept`, policies: of(rule('Deny', side, [ns('y')]), rule('Accept', side, [ns('y')])), open: `${away}:80/${upper}`, closed: `${towards}:80/${upper} ${towards}:81/${upper}` },
    { title: `${id}: ${named}, Accept at a port`, policies: of(rule('Accept', side, [ns('y')], at(80)), rule('Deny', side, [ns('y')])), open: `${towards}:80/${upper}`, closed: `${towards}:81/${upper} ${towards}:icmp` },
    { title: `${id}: ${named}, Deny at a port`, policies: of(rule('Deny', side, [ns('y')], at(80)), rule('Accept', side, [ns('y')])), open: `${towards}:81/${upper} ${towards}:icmp`, closed: `${towards}:80/${upper}` },
    ...(tier === 'Baseline' ? [] : [
      { title: `${id}: ${named}, Pass before Deny`, policies: of(rule('Pass', side, [ns('y')]), rule('Deny', side, [everyNamespace])), open: `${towards}:80/${upper}`, closed: `${away}:80/${upper}` },
      { title: `${id}: ${named}, Pass at a port`, policies: of(rule('Pass', side, [ns('y')], at(80)), rule('Deny', side, [ns('y')])), open: `${towards}:80/${upper}`, closed: `${towards}:81/${upper}` },
    ]),
  ]
}

const denyAllOfX = policyIn('x', { policyTypes: ['Ingress', 'Egress'] })
const rows: readonly Row[] = [
  { title: 'CNP-1: the subject is of the whole cluster', policies: [clusterPolicy({ subject: everyNamespace, ingress: [denyY] })], open: 'x/a>z/a:80', closed: 'y/a>x/a:80 y/a>z/a:80 y/a>y/b:80' },
  { title: 'CNP-2: Admin before NetworkPolicy before Baseline before open', policies: [clusterPolicy({ ingress: [acceptY] }), denyAllOfX, clusterPolicy({ tier: 'Baseline', subject: everyNamespace, ingress: [denyY] })], open: 'y/a>x/a:80 z/a>y/a:80', closed: 'z/a>x/a:80 y/a>z/a:80' },
  { title: 'CNP-3: the lower priority is asked first', policies: [clusterPolicy({ priority: 7, ingress: [denyY] }), clusterPolicy({ priority: 6, ingress: [acceptY] })], open: 'y/a>x/a:80', closed: '' },
  { title: 'CNP-3: the highest number is asked last', policies: [clusterPolicy({ priority: 1000, ingress: [acceptY] }), clusterPolicy({ priority: 0, ingress: [denyY] })], open: '', closed: 'y/a>x/a:80' },
  { title: 'CNP-4: the first rule that matches decides', policies: [clusterPolicy({ ingress: [from('Accept', [pods('y', 'a')]), denyY, from('Accept', [pods('y', 'b')])] })], open: 'y/a>x/a:80', closed: 'y/b>x/a:80 y/c>x/a:80' },
  { title: 'CNP-5: Pass skips the rest of its tier', policies: [clusterPolicy({ priority: 1, ingress: [passY] }), clusterPolicy({ priority: 2, ingress: [from('Deny', [everyNamespace])] })], open: 'y/a>x/a:80', closed: 'z/a>x/a:80' },
  { title: 'CNP-5: Pass out of Baseline is open', policies: [clusterPolicy({ tier: 'Baseline', priority: 1, ingress: [passY] }), clusterPolicy({ tier: 'Baseline', priority: 2, ingress: [from('Deny', [everyNamespace])] })], open: 'y/a>x/a:80', closed: 'z/a>x/a:80' },
  { title: 'CNP-6: NetworkPolicies are final for whom they select, per direction', policies: [policyIn('x', { ingress: [{ from: [{ namespaceSelector: { matchLabels: { ns: 'y' } } }] }] }), clusterPolicy({ tier: 'Baseline', ingress: [denyY], egress: [to('Deny', [ns('y')])] })], open: 'y/a>x/a:80', closed: 'z/a>x/a:80 x/a>y/a:80' },
  { title: 'CNP-7: without ingress rules ingress is none of its business', policies: [clusterPolicy({ egress: [to('Deny', [everyNamespace])] })], open: 'y/a>x/a:80', closed: 'x/a>y/a:80' },
  { title: 'CNP-8: subjects by pods, and none on host networks', policies: [clusterPolicy({ subject: pods('x', 'a'), ingress: [from('Deny', [everyNamespace])] })], open: 'y/a>x/b:80 y/a>x/h:80', closed: 'y/a>x/a:80' },
  { title: 'CNP-8: a subject selected in a namespace that is not there is nobody', policies: [clusterPolicy({ subject: ns('q'), ingress: [denyY] })], open: 'y/a>x/a:80', closed: '' },
  { title: 'CNP-9: peers by namespaces, by pods and by networks', policies: [clusterPolicy({ egress: [to('Deny', [ns('y'), pods('z', 'a')]), to('Deny', [networks('203.0.113.0/24', '2001:db8:113::/48')])] })], open: 'x/a>z/b:80', closed: 'x/a>y/a:80 x/a>z/a:80 x/a>outside:80' },
  { title: 'CNP-9, CNP-16: names, exact and of any depth below', policies: [clusterPolicy({ egress: [to('Accept', [domains('api.example.com', '*.example.org')]), to('Deny', [networks('0.0.0.0/0', '::/0')])] })], names: { 'api.example.com': ['10.0.2.1', 'fd00:10::2:1'], 'a.b.example.org': ['10.0.2.2', 'fd00:10::2:2'], 'example.org': ['10.0.2.3', 'fd00:10::2:3'], 'xapi.example.com': ['10.0.3.1', 'fd00:10::3:1'] }, open: 'x/a>y/a:80 x/a>y/b:80', closed: 'x/a>y/c:80 x/a>z/a:80 x/a>outside:80' },
  { title: 'CNP-16: a name without an answer is nobody', policies: [clusterPolicy({ egress: [to('Accept', [domains('api.example.com')]), to('Deny', [networks('0.0.0.0/0', '::/0')])] })], open: '', closed: 'x/a>outside:443' },
  { title: 'CNP-10: networks match pods, nodes and ICMP', policies: [clusterPolicy({ egress: [to('Deny', [networks('10.0.2.0/24', 'fd00:10::2:0/112', '172.30.1.11/32', 'fd00:172:30:1::11/128')])] })], open: 'x/a>z/a:80 x/a>z/a:icmp', closed: 'x/a>y/a:80 x/a>y/a:icmp x/a>n1:22 x/a>n1:icmp' },
  { title: 'CNP-11: numbers, ranges, names; without protocols everything', policies: [clusterPolicy({ ingress: [from('Deny', [ns('y')], [range('tcp', 79, 80), port('udp', 81)]), from('Deny', [pods('z', 'a')], [{ destinationNamedPort: 'serve-81-tcp' }]), from('Deny', [pods('z', 'b')]), from('Deny', [pods('z', 'c')], [{ sctp: {} }])] })], open: 'y/a>x/a:81 y/a>x/a:78 y/a>x/a:80/UDP y/a>x/a:icmp z/a>x/a:80 z/c>x/a:80', closed: 'y/a>x/a:79 y/a>x/a:80 y/a>x/a:81/UDP z/a>x/a:81 z/b>x/a:80 z/b>x/a:icmp z/c>x/a:1/SCTP' },
  { title: 'CNP-13: of a peer nobody knows, Accept matches nothing', policies: [clusterPolicy({ egress: [to('Accept', [{ planets: {} }]), to('Deny', [ns('y')])] })], open: 'x/a>z/a:80', closed: 'x/a>y/a:80' },
  { title: 'CNP-13: of a peer nobody knows, Deny and Pass deny everything', policies: [clusterPolicy({ egress: [to('Pass', [{ planets: {} }])] }), clusterPolicy({ subject: ns('y'), ingress: [from('Deny', [{ planets: {} }])] })], open: 'z/a>x/a:80', closed: 'x/a>z/a:80 x/a>outside:80 z/a>y/a:80' },
  { title: 'CNP-14: nodes by label, all their addresses', policies: [clusterPolicy({ egress: [to('Deny', [nodes({ role: 'db' })])] }), clusterPolicy({ subject: ns('y'), egress: [to('Deny', [nodes({ role: 'web' })])] })], nodeLabels: { role: 'db' }, open: 'y/a>n1:22 x/a>y/a:80', closed: 'x/a>n1:22 x/a>x/h:80' },
  ...perProtocol('CNP-17', 'tcp', 'from'), ...perProtocol('CNP-17', 'udp', 'from'), ...perProtocol('CNP-17', 'sctp', 'from'),
  ...perProtocol('CNP-18', 'tcp', 'to'), ...perProtocol('CNP-18', 'udp', 'to'), ...perProtocol('CNP-18', 'sctp', 'to'),
  { title: 'CNP-19: both directions in one policy', policies: [clusterPolicy({ ingress: [from('Deny', [ns('y')], [port('tcp', 80)]), acceptY], egress: [to('Accept', [ns('z')], [port('udp', 81)]), to('Deny', [ns('z')])] })], open: 'y/a>x/a:81 x/a>z/a:81/UDP x/a>y/a:80', closed: 'y/a>x/a:80 x/a>z/a:80 x/a>z/a:80/UDP' },
  { title: 'CNP-20: deny a network that holds a pod', policies: [clusterPolicy({ egress: [to('Deny', [networks('10.0.2.1/32', 'fd00:10::2:1/128')])] })], open: 'x/a>y/b:80', closed: 'x/a>y/a:80' },
  { title: 'CNP-20: an Accept above it wins', policies: [clusterPolicy({ egress: [to('Accept', [networks('10.0.2.0/24', 'fd00:10::2:0/112')]), to('Deny', [networks('10.0.2.1/32', 'fd00:10::2:1/128')])] })], open: 'x/a>y/a:80 x/a>y/b:80', closed: '' },
  { title: 'CNP-21: an Admin Deny beats an allowing NetworkPolicy', policies: [clusterPolicy({ ingress: [denyY], egress: [to('Deny', [ns('y')])] }), policyIn('x', { policyTypes: ['Ingress', 'Egress'], ingress: [{}], egress: [{}] })], open: 'z/a>x/a:80 x/a>z/a:80', closed: 'y/a>x/a:80 x/a>y/a:80' },
  { title: 'CNP-21: a Pass leaves it to NetworkPolicies', policies: [clusterPolicy({ ingress: [passY], egress: [to('Pass', [ns('y')])] }), denyAllOfX, clusterPolicy({ tier: 'Baseline', ingress: [acceptY], egress: [to('Accept', [ns('y')])] })], open: '', closed: 'y/a>x/a:80 x/a>y/a:80' },
  { title: 'CNP-21: without a NetworkPolicy the Baseline decides', policies: [clusterPolicy({ ingress: [passY], egress: [to('Pass', [ns('y')])] }), clusterPolicy({ tier: 'Baseline', ingress: [denyY], egress: [to('Deny', [ns('y')])] })], open: 'z/a>x/a:80', closed: 'y/a>x/a:80 x/a>y/a:80' },
  { title: 'CNP-22: priority 40 with Pass takes over from 50 with Deny', policies: [clusterPolicy({ priority: 50, ingress: [denyY] }), clusterPolicy({ priority: 40, ingress: [passY] })], open: 'y/a>x/a:80', closed: '' },
  { title: 'CNP-22: priority 60 does not', policies: [clusterPolicy({ priority: 50, ingress: [denyY] }), clusterPolicy({ priority: 60, ingress: [passY] })], open: '', closed: 'y/a>x/a:80' },
  { title: 'CNP-23: named ports of the destination, both directions', policies: [clusterPolicy({ ingress: [from('Deny', [ns('y')], [{ destinationNamedPort: 'serve-80-tcp' }])], egress: [to('Deny', [ns('z')], [{ destinationNamedPort: 'serve-81-udp' }])] })], open: 'y/a>x/a:81 y/a>x/a:80/UDP x/a>z/a:80/UDP x/a>z/a:81', closed: 'y/a>x/a:80 x/a>z/a:81/UDP' },
  { title: 'CNP-23: node peers, Accept before Deny and Pass before Deny', policies: [clusterPolicy({ egress: [to('Accept', [nodes({})], [port('tcp', 80)]), to('Deny', [nodes({})])] }), clusterPolicy({ subject: ns('y'), egress: [to('Pass', [nodes({})], [port('tcp', 80)]), to('Deny', [nodes({})])] })], open: 'x/a>x/h:80 y/a>x/h:80', closed: 'x/a>x/h:81 y/a>x/h:81' },
  ...(['tcp', 'udp', 'sctp'] as const).flatMap((protocol) => [...perProtocol('CNP-24', protocol, 'from', 'Baseline'), ...perProtocol('CNP-24', protocol, 'to', 'Baseline')]),
  { title: 'CNP-24: Baseline of both directions, networks, named ports and nodes', policies: [clusterPolicy({ tier: 'Baseline', ingress: [from('Deny', [ns('y')], [{ destinationNamedPort: 'serve-80-tcp' }])], egress: [to('Deny', [networks('10.0.2.1/32', 'fd00:10::2:1/128')]), to('Accept', [nodes({})], [port('tcp', 80)]), to('Deny', [nodes({})])] })], open: 'y/a>x/a:81 x/a>y/b:80 x/a>x/h:80', closed: 'y/a>x/a:80 x/a>y/a:80 x/a>x/h:81' },
  { title: 'CNP-26: AdminNetworkPolicy says Allow', policies: [clusterPolicy({ tier: undefined, ingress: [{ action: 'Allow', from: [ns('y')], ports: [{ portNumber: { protocol: 'TCP', port: 80 } }] }, { action: 'Deny', from: [ns('y')] }, { action: 'Pass', from: [pods('z', 'a')] }, { action: 'Deny', from: [ns('z')] }] }, { kind: 'AdminNetworkPolicy' }), policyIn('y', {})], open: 'y/a>x/a:80 z/a>x/a:80', closed: 'y/a>x/a:81 z/b>x/a:80' },
  { title: 'CNP-26: BaselineAdminNetworkPolicy comes after NetworkPolicies', policies: [clusterPolicy({ tier: undefined, priority: undefined, subject: everyNamespace, ingress: [{ action: 'Allow', from: [pods('y', 'a')] }, { action: 'Deny', from: [ns('y')], ports: [{ portRange: { start: 80, end: 81 } }] }] }, { kind: 'BaselineAdminNetworkPolicy', name: 'default' }), policyIn('z', { ingress: [{}] })], open: 'y/a>x/a:80 y/b>x/a:82 y/b>z/a:80', closed: 'y/b>x/a:80 y/c>x/a:81' },
]

describe('createEvaluator() for policies of the cluster', () => {
  test.each(rows)('$title', ({ policies, open, closed, ...edits }) => {
    const judge = createEvaluator(worldOf(policies, edits))
    for (const { probe, packet } of packetsOf(open)) expect(judge(packet).allowed, `${probe} is open`).toBe(true)
    for (const { probe, packet } of packetsOf(closed)) expect(judge(packet).allowed, `${probe} is closed`).toBe(false)
  })

  test('CNP-3, CNP-25: the order in which policies come is of no account, that of rules is', () => {
    const policies = [clusterPolicy({ priority: 5, ingress: [denyY, acceptY] }), clusterPolicy({ priority: 6, ingress: [acceptY] }), denyAllOfX]
    const [{ packet }] = packetsOf('y/a>x/a:80') as unknown as [{ packet: Packet }]
    for (const order of [policies, [...policies].reverse()]) expect(createEvaluator(worldOf(order))(packet).allowed).toBe(false)
    expect(createEvaluator(worldOf([clusterPolicy({ priority: 5, ingress: [acceptY, denyY] }), ...policies.slice(1)]))(packet).allowed).toBe(true)
  })

  test('a verdict names the rule that decided, and what was asked before it', () => {
    const judge = createEvaluator(worldOf([
      clusterPolicy({ priority: 1, ingress: [{ name: 'no-z', ...from('Deny', [ns('z')]) }, from('Pass', [ns('y')], [port('tcp', 80)])] }, { name: 'first' }),
      { ...policyIn('x', { ingress: [{ from: [{ podSelector: {} }] }] }), metadata: { namespace: 'x', name: 'own' } },
    ]))
    const [{ packet }] = packetsOf('y/a>x/a:80') as unknown as [{ packet: Packet }]
    const { allowed, egress, ingress } = judge(packet)
    expect({ allowed, egress: egress.reason, ingress: ingress.reason, rule: ingress.rule }).toEqual({ allowed: false, egress: 'default', ingress: 'isolated', rule: undefined })
    expect(ingress.considered.map(({ policy, index, name, action, outcome }) => [policy.name, index, name, action, outcome])).toEqual([
      ['first', 0, 'no-z', 'Deny', 'other peer'], ['first', 1, '', 'Pass', 'matched'], ['own', 0, '', 'Accept', 'other peer'],
    ])
    const refused = judge({ ...packet, from: parseIp('10.0.3.1') })
    expect(refused.ingress.rule).toMatchObject({ policy: { kind: 'ClusterNetworkPolicy', name: 'first' }, index: 0, name: 'no-z', action: 'Deny' })
    expect(judge({ ...packet, port: 81 }).ingress.considered[1]!.outcome).toBe('other port')
  })
})

import { describe, expect, test } from 'vitest'
import { packetsOf, policyIn, worldOf, type WorldEdits } from '../../test/probes.ts'
import { createEvaluator } from './evaluator.ts'

// Written by hand from the NetworkPolicy API and the upstream suites, never from what the code says.

interface Row extends WorldEdits {
  readonly title: string
  readonly policies: readonly object[]
  /** Probes that get through; see packetsOf. */
  readonly open: string
  readonly closed: string
}

const all = {}
const x = { matchLabels: { ns: 'x' } }
const y = { matchLabels: { ns: 'y' } }
const podA = { matchLabels: { pod: 'a' } }
const podB = { matchLabels: { pod: 'b' } }
const within = (key: string, operator: string, ...values: readonly string[]): object => ({ matchExpressions: [{ key, operator, ...(values.length > 0 ? { values } : {}) }] })
const ingress = (ns: string, podSelector: object, ...rules: readonly object[]): object => policyIn(ns, { podSelector, policyTypes: ['Ingress'], ingress: rules })
const egress = (ns: string, podSelector: object, ...rules: readonly object[]): object => policyIn(ns, { podSelector, policyTypes: ['Egress'], egress: rules })
const from = (...peers: readonly object[]): object => ({ from: peers })
const to = (...peers: readonly object[]): object => ({ to: peers })
const ports = (...list: readonly object[]): object => ({ ports: list })
const block = (cidr: string, ...except: readonly string[]): object => ({ ipBlock: { cidr, ...(except.length > 0 ? { except } : {}) } })
const tcp = (port: number | string, endPort?: number): object => ({ protocol: 'TCP', port, ...(endPort === undefined ? {} : { endPort }) })
const udp = (port: number | string): object => ({ protocol: 'UDP', port })
const sctp = (port: number | string): object => ({ protocol: 'SCTP', port })

const rows: readonly Row[] = [
  { title: 'NP-1: who is selected by no policy of a direction is open in it', policies: [ingress('x', podA)], open: 'any/any>x/b:80 x/a>any/any:80 y/a>z/a:80', closed: 'any/any>x/a:80 any/any>x/a:81/UDP' },
  { title: 'NP-1: what is allowed is the union of all rules', policies: [ingress('x', podA, from({ namespaceSelector: y })), ingress('x', all, from({ podSelector: podB }))], open: 'y/any>x/a:80 x/b>x/a:80 x/b>x/c:80', closed: 'x/c>x/a:80 y/a>x/c:80 z/b>x/a:80' },
  { title: 'NP-2: egress of the source and ingress of the destination must both allow', policies: [egress('x', podA, to({ podSelector: podB })), ingress('x', podB, from({ podSelector: { matchLabels: { pod: 'c' } } }))], open: 'x/c>x/b:80', closed: 'x/a>x/b:80 x/a>x/c:80' },
  { title: 'NP-4: a pod reaches itself, and its node reaches it', policies: [policyIn('x', { policyTypes: ['Ingress', 'Egress'] })], open: 'n1>x/a:80 n1>x/b:81/UDP', closed: 'outside>x/a:80 x/b>x/a:80' },
  { title: 'NP-5: pods on host networks are neither subjects nor peers', policies: [ingress('x', all), ingress('y', podA, from({ namespaceSelector: x, podSelector: podA })), egress('z', podA, to({ namespaceSelector: x }))], open: 'y/a>x/h:80 x/a>y/a:80 outside>x/h:80', closed: 'z/a>x/h:80 outside>y/a:80' },
  { title: 'NP-5: an ipBlock matches a host network', policies: [egress('z', podA, to(block('172.30.1.0/24'), block('fd00:172:30:1::/64')))], open: 'z/a>x/h:80 z/a>n1:22', closed: 'z/a>x/a:80' },
  { title: 'NP-6: policyTypes are ingress, and egress where it has rules', policies: [policyIn('x', { egress: [to({ podSelector: podB })] }), policyIn('y', {})], open: 'y/a>z/b:80', closed: 'z/a>x/a:80 x/a>x/c:80 x/a>z/a:80 z/a>y/a:80' },
  { title: 'NP-7: no rules deny, an empty rule allows everything', policies: [policyIn('x', { policyTypes: ['Ingress'], ingress: [] }), ingress('y', all, {}), policyIn('z', { policyTypes: ['Ingress'] })], open: 'any/any>y/a:80 x/a>y/b:81/SCTP outside>y/a:icmp', closed: 'any/any>x/a:80 any/any>z/a:80 y/a>x/b:icmp' },
  { title: 'NP-7: empty peers are all sources, empty ports all ports and ICMP', policies: [ingress('x', podA, { from: [], ports: [tcp(80)] }), ingress('x', podB, { from: [{ namespaceSelector: y }], ports: [] })], open: 'outside>x/a:80 y/a>x/a:80 y/a>x/b:81/UDP y/a>x/b:icmp', closed: 'outside>x/a:81 y/a>x/a:icmp z/a>x/b:80' },
  { title: 'NP-8: selectors in one peer are AND, peers are OR', policies: [ingress('x', podA, from({ namespaceSelector: y, podSelector: podB })), ingress('x', podB, from({ namespaceSelector: y }, { podSelector: { matchLabels: { pod: 'c' } } }))], open: 'y/b>x/a:80 y/any>x/b:80 x/c>x/b:80', closed: 'y/a>x/a:80 x/b>x/a:80 z/c>x/b:80 x/a>x/b:80' },
  { title: 'NP-8: a podSelector alone is of the policy\'s namespace, {} selects all', policies: [ingress('x', podA, from({ podSelector: all })), ingress('x', podB, from({ namespaceSelector: all }))], open: 'x/any>x/a:80 any/any>x/b:80', closed: 'y/a>x/a:80 outside>x/a:80 outside>x/b:80' },
  { title: 'NP-9: an ipBlock matches any address but those of except', policies: [ingress('x', podA, from(block('10.0.0.0/16', '10.0.2.0/24'), block('fd00:10::/64', 'fd00:10::2:0/112')))], open: 'x/b>x/a:80 z/any>x/a:80', closed: 'y/any>x/a:80 outside>x/a:80' },
  { title: 'NP-9: an exception takes away from its own block only', policies: [ingress('x', podA, from(block('10.0.0.0/16', '10.0.2.1/32'), block('10.0.2.0/30'), block('fd00:10::/64', 'fd00:10::2:1/128'), block('fd00:10::2:0/126')))], open: 'y/a>x/a:80 z/a>x/a:80', closed: 'outside>x/a:80' },
  { title: 'NP-10: without a protocol it is TCP, without a port all ports of the protocol', policies: [ingress('x', podA, ports({ port: 80 })), ingress('x', podB, ports({ protocol: 'UDP' }))], open: 'y/a>x/a:80 y/a>x/b:80/UDP y/a>x/b:5353/UDP', closed: 'y/a>x/a:80/UDP y/a>x/a:80/SCTP y/a>x/b:80 y/a>x/b:icmp' },
  { title: 'NP-11: a named port is the destination\'s, name and protocol', policies: [ingress('x', podA, ports({ port: 'serve-80-tcp' })), ingress('x', podB, ports({ protocol: 'UDP', port: 'serve-80-tcp' })), egress('y', podA, ports({ port: 'serve-81-tcp' }))], open: 'z/a>x/a:80 y/a>z/a:81', closed: 'z/a>x/a:81 z/a>x/b:80 z/a>x/b:80/UDP y/a>z/a:80 y/a>outside:81' },
  { title: 'NP-12: endPort is inclusive', policies: [ingress('x', all, ports(tcp(79, 80)))], open: 'y/a>x/a:79 y/a>x/a:80', closed: 'y/a>x/a:78 y/a>x/a:81 y/a>x/a:80/UDP' },
  { title: 'NP-14: In, NotIn, Exists and DoesNotExist; NotIn holds without the key', policies: [ingress('x', podA, from({ podSelector: within('pod', 'In', 'b', 'q') })), ingress('x', podB, from({ podSelector: within('color', 'NotIn', 'red') })), ingress('y', podA, from({ namespaceSelector: within('team', 'Exists') })), ingress('z', podA, from({ namespaceSelector: within('team', 'DoesNotExist') }))], podLabels: { 'x/a': { color: 'red' } }, namespaceLabels: { x: { team: '' } }, open: 'x/b>x/a:80 x/c>x/b:80 x/any>y/a:80 y/any>z/a:80', closed: 'x/c>x/a:80 x/a>x/b:80 z/a>y/a:80 y/b>y/a:80 x/a>z/a:80' },
  { title: 'NP-19: ICMP passes only by rules without ports', policies: [ingress('x', podA, from({ namespaceSelector: y })), ingress('x', podB, ports(tcp(1, 65_535)))], open: 'y/a>x/a:icmp', closed: 'z/a>x/a:icmp y/a>x/b:icmp' },
  { title: 'NP-22, NP-63: kubernetes.io/metadata.name selects a namespace', policies: [ingress('x', podA, from({ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'y' } } }))], open: 'y/any>x/a:80', closed: 'z/a>x/a:80 x/b>x/a:80' },
  { title: 'NP-23: default deny of ingress', policies: [ingress('x', all)], open: 'x/a>y/a:80 y/a>z/a:80', closed: 'any/any>x/any:80' },
  { title: 'NP-24: default deny of both', policies: [policyIn('x', { policyTypes: ['Ingress', 'Egress'] })], open: 'y/any>z/any:80', closed: 'any/any>x/any:80 x/any>any/any:80' },
  { title: 'NP-25: from one pod of the namespace', policies: [ingress('x', podA, from({ podSelector: podB }))], open: 'x/b>x/a:80', closed: 'x/c>x/a:80 y/a>x/a:80 y/b>x/a:80' },
  { title: 'NP-26: allow all to one pod beside deny all', policies: [ingress('x', all), ingress('x', podA, from({ namespaceSelector: all, podSelector: all }))], open: 'any/any>x/a:80', closed: 'any/any>x/b:80' },
  { title: 'NP-27: from pods of all namespaces', policies: [ingress('x', podA, from({ namespaceSelector: all }))], open: 'any/any>x/a:80', closed: 'outside>x/a:80' },
  { title: 'NP-28: from another namespace only', policies: [ingress('x', podA, from({ namespaceSelector: y }))], open: 'y/any>x/a:80', closed: 'x/any>x/a:80 z/any>x/a:80' },
  { title: 'NP-29: a podSelector by expression', policies: [ingress('x', podA, from({ podSelector: within('pod', 'In', 'b') }))], open: 'x/b>x/a:80', closed: 'x/c>x/a:80 y/b>x/a:80' },
  { title: 'NP-30: a namespaceSelector by expression', policies: [ingress('x', podA, from({ namespaceSelector: within('ns', 'In', 'y') }))], open: 'y/any>x/a:80', closed: 'x/b>x/a:80 z/a>x/a:80' },
  { title: 'NP-31: podSelector or namespaceSelector', policies: [ingress('x', podA, from({ namespaceSelector: within('ns', 'NotIn', 'x') }, { podSelector: podB }))], open: 'y/any>x/a:80 z/any>x/a:80 x/b>x/a:80', closed: 'x/c>x/a:80' },
  { title: 'NP-32: podSelector and namespaceSelector', policies: [ingress('x', podA, from({ namespaceSelector: within('ns', 'NotIn', 'x'), podSelector: podB }))], open: 'y/b>x/a:80 z/b>x/a:80', closed: 'x/b>x/a:80 y/a>x/a:80 z/c>x/a:80' },
  { title: 'NP-33: several of both', policies: [ingress('x', podA, from({ namespaceSelector: within('ns', 'NotIn', 'x'), podSelector: within('pod', 'In', 'b', 'c') }))], open: 'y/b>x/a:80 y/c>x/a:80 z/b>x/a:80', closed: 'x/b>x/a:80 y/a>x/a:80 z/a>x/a:80' },
  { title: 'NP-34: any of several podSelectors', policies: [ingress('x', podA, from({ podSelector: podB }, { podSelector: { matchLabels: { pod: 'c' } } }))], open: 'x/b>x/a:80 x/c>x/a:80', closed: 'y/b>x/a:80 z/c>x/a:80' },
  { title: 'NP-35: one pod of another namespace', policies: [ingress('x', podA, from({ namespaceSelector: y, podSelector: podA }))], open: 'y/a>x/a:80', closed: 'y/b>x/a:80 x/b>x/a:80 z/a>x/a:80' },
  { title: 'NP-36: by port', policies: [ingress('x', all, { ...from({ namespaceSelector: y }), ...ports(tcp(81)) })], open: 'y/any>x/a:81', closed: 'y/any>x/a:80 x/b>x/a:81 z/a>x/a:81' },
  { title: 'NP-37: policies that overlap add up', policies: [ingress('x', podA, { ...from({ namespaceSelector: y }), ...ports(tcp(81)) }), ingress('x', podA, { ...from({ namespaceSelector: y }), ...ports(tcp(80)) })], open: 'y/any>x/a:80 y/any>x/a:81', closed: 'z/a>x/a:80 x/b>x/a:81' },
  { title: 'NP-38: allow all', policies: [ingress('x', all, {})], open: 'any/any>x/any:80 any/any>x/any:81', closed: '' },
  { title: 'NP-39: one named port', policies: [ingress('x', all, ports({ port: 'serve-81-tcp' }))], open: 'any/any>x/any:81', closed: 'any/any>x/any:80 y/a>x/a:81/UDP' },
  { title: 'NP-40: one named port from one namespace', policies: [ingress('x', podA, { ...from({ namespaceSelector: y }), ...ports({ port: 'serve-80-tcp' }) })], open: 'y/any>x/a:80', closed: 'y/a>x/a:81 x/b>x/a:80 z/a>x/a:80' },
  { title: 'NP-41: egress to one named port', policies: [egress('x', all, ports({ port: 'serve-80-tcp' }))], open: 'x/any>y/any:80 x/a>x/b:80', closed: 'x/any>y/any:81 x/a>x/b:81' },
  { title: 'NP-43: a namespace that got the label', policies: [ingress('x', podA, from({ namespaceSelector: { matchLabels: { ns2: 'updated' } } }))], namespaceLabels: { y: { ns2: 'updated' } }, open: 'y/any>x/a:80', closed: 'z/a>x/a:80 x/b>x/a:80' },
  { title: 'NP-44: a pod that got the labels', policies: [ingress('x', podA, from({ podSelector: { matchLabels: { pod: 'b', pod2: 'updated' } } }))], podLabels: { 'x/b': { pod2: 'updated' } }, open: 'x/b>x/a:80', closed: 'x/c>x/a:80 y/b>x/a:80' },
  { title: 'NP-45: deny ingress from other namespaces', policies: [ingress('x', all, from({ podSelector: all }))], open: 'x/any>x/any:80', closed: 'y/any>x/any:80 z/any>x/any:80' },
  { title: 'NP-46: a pod that became a target', policies: [ingress('x', { matchLabels: { target: 'isolated' } })], podLabels: { 'x/a': { target: 'isolated' } }, open: 'any/any>x/b:80', closed: 'any/any>x/a:80' },
  { title: 'NP-47: deny egress of one pod', policies: [egress('x', podA)], open: 'x/b>any/any:80 y/a>x/a:80', closed: 'x/a>any/any:80' },
  { title: 'NP-48: deny egress of a namespace', policies: [egress('x', all)], open: 'y/any>x/any:80', closed: 'x/any>any/any:80' },
  { title: 'NP-49: ingress and egress in one policy', policies: [policyIn('x', { podSelector: podA, policyTypes: ['Ingress', 'Egress'], ingress: [from({ podSelector: podB })], egress: [ports(tcp(80))] })], open: 'x/b>x/a:81 x/b>x/a:80 x/a>y/a:80', closed: 'x/a>any/any:81 x/c>x/a:80' },
  { title: 'NP-50: the client side refuses though the server allows', policies: [egress('x', podA, to({ namespaceSelector: y, podSelector: podA })), ingress('y', podA, from({ namespaceSelector: x, podSelector: podA })), ingress('y', podB, from({ namespaceSelector: x, podSelector: podA }))], open: 'x/a>y/a:80', closed: 'x/a>y/b:80' },
  { title: 'NP-51: egress to one pod of another namespace', policies: [egress('x', podA, to({ namespaceSelector: y, podSelector: podA }))], open: 'x/a>y/a:80', closed: 'x/a>y/b:80 x/a>z/a:80 x/a>x/b:80' },
  { title: 'NP-52: any port of one protocol', policies: [ingress('x', podA, ports({ protocol: 'TCP' }))], open: 'any/any>x/a:80 any/any>x/a:81', closed: 'any/any>x/a:80/UDP' },
  { title: 'NP-53: several ingress policies, one allows all', policies: [ingress('x', podA, ports(tcp(80))), ingress('x', podA, {})], open: 'any/any>x/a:81', closed: '' },
  { title: 'NP-54: several egress policies, one allows all', policies: [egress('x', podA, ports(tcp(80))), egress('x', podA, {})], open: 'x/a>any/any:81', closed: '' },
  { title: 'NP-56: egress to one address', policies: [egress('x', podA, to(block('10.0.2.2/32'), block('fd00:10::2:2/128')))], open: 'x/a>y/b:80', closed: 'x/a>y/a:80 x/a>x/b:80 x/a>outside:80' },
  { title: 'NP-57: egress to a network but one address', policies: [egress('x', podA, to(block('10.0.1.0/24', '10.0.1.2/32'), block('fd00:10::1:0/112', 'fd00:10::1:2/128')))], open: 'x/a>x/c:80', closed: 'x/a>x/b:80 x/a>y/a:80' },
  { title: 'NP-58: an address in except of one policy and cidr of another', policies: [egress('x', podA, to(block('10.0.1.0/24', '10.0.1.2/32'), block('fd00:10::1:0/112', 'fd00:10::1:2/128'))), egress('x', podA, to(block('10.0.1.2/32'), block('fd00:10::1:2/128')))], open: 'x/a>x/b:80 x/a>x/c:80', closed: 'x/a>y/a:80' },
  { title: 'NP-59: ingress and egress by themselves', policies: [egress('x', podA, to({ podSelector: podB })), ingress('x', podA)], open: 'x/a>x/b:80', closed: 'x/b>x/a:80 x/a>x/c:80' },
  { title: 'NP-60: SCTP is not TCP', policies: [ingress('x', podA, ports(sctp(81)))], open: 'y/a>x/a:81/SCTP', closed: 'y/a>x/a:81 y/a>x/a:81/UDP' },
  { title: 'NP-61: a policy of SCTP isolates', policies: [ingress('x', podA, ports(sctp(80)))], open: '', closed: 'any/any>x/a:80 any/any>x/a:81' },
  { title: 'NP-62: a policy of UDP does not allow TCP', policies: [ingress('x', podA, ports(udp(81)))], open: 'any/any>x/a:81/UDP', closed: 'any/any>x/a:81' },
  { title: 'NP-64: not one namespace by name', policies: [egress('x', podA, to({ namespaceSelector: within('kubernetes.io/metadata.name', 'NotIn', 'y') }))], open: 'x/a>x/b:80 x/a>z/a:80', closed: 'x/a>y/a:80 x/a>outside:80' },
  { title: 'NP-65: UDP is judged as TCP is', policies: [ingress('x', podA, { ...from({ namespaceSelector: y, podSelector: podA }), ...ports(udp(81)) }), ingress('x', podB)], open: 'y/a>x/a:81/UDP', closed: 'y/a>x/a:80/UDP y/b>x/a:81/UDP any/any>x/b:80/UDP' },
  { title: 'NP-66: SCTP is judged as TCP is', policies: [ingress('x', podA, { ...from({ namespaceSelector: y, podSelector: podA }), ...ports(sctp(81)) }), ingress('x', podB)], open: 'y/a>x/a:81/SCTP', closed: 'y/a>x/a:80/SCTP y/b>x/a:81/SCTP any/any>x/b:80/SCTP' },
  { title: 'NP-68: targets by label, by In, by NotIn, all and none', policies: [ingress('x', within('pod', 'NotIn', 'a', 'b')), ingress('y', within('pod', 'In', 'a', 'b')), ingress('z', { matchLabels: { pod: 'q' } })], open: 'any/any>x/a:80 any/any>y/c:80 any/any>z/any:80', closed: 'any/any>x/c:80 any/any>y/a:80 any/any>y/b:80' },
  { title: 'NP-69: deny all and allow all of each direction', policies: [ingress('x', all), egress('y', all), ingress('z', all, {}), egress('z', all, {})], open: 'x/any>z/any:80 z/a>y/a:80', closed: 'z/a>x/a:80 y/a>z/a:80' },
  { title: 'NP-70: single peers of each kind', policies: [ingress('x', podA, from({ podSelector: all })), ingress('x', podB, from({ namespaceSelector: all, podSelector: podA })), ingress('y', podA, from(block('10.0.1.0/24', '10.0.1.2/32'), block('fd00:10::1:0/112', 'fd00:10::1:2/128')))], open: 'x/b>x/a:80 y/a>x/b:80 z/a>x/b:80 x/a>y/a:80', closed: 'y/a>x/a:80 y/b>x/b:80 x/b>y/a:80' },
  { title: 'NP-71: two peers are either', policies: [egress('x', podA, to({ podSelector: podB }, block('10.0.3.0/24')), to({ namespaceSelector: { matchLabels: { ns: 'z' } }, podSelector: podA }, block('fd00:10::3:0/112')))], open: 'x/a>x/b:80 x/a>z/any:80', closed: 'x/a>x/c:80 x/a>y/a:80' },
  { title: 'NP-72: ranges of ports with and without what is served', policies: [ingress('x', podA, ports(tcp(53, 80))), ingress('x', podB, ports(tcp(53, 84))), ingress('x', { matchLabels: { pod: 'c' } }, ports({ protocol: 'UDP', port: 53, endPort: 80 }, { protocol: 'SCTP', port: 81 }))], open: 'y/a>x/a:80 y/a>x/b:81 y/a>x/c:80/UDP y/a>x/c:81/SCTP', closed: 'y/a>x/a:81 y/a>x/b:85 y/a>x/c:81/UDP y/a>x/c:80' },
  { title: 'NP-73: ports nobody serves match nothing and isolate', policies: [ingress('x', podA, ports({ protocol: 'UDP', port: 'serve-80-tcp' })), ingress('x', podB, ports({ port: 'nobody' })), ingress('x', { matchLabels: { pod: 'c' } }, ports(tcp(7981)))], open: '', closed: 'any/any>x/a:80 any/any>x/a:80/UDP any/any>x/b:80 any/any>x/c:80 any/any>x/c:81/UDP' },
  { title: 'NP-75: allow wins over deny, in any order', policies: [ingress('x', all, {}), ingress('x', all), egress('y', all), egress('y', all, {})], open: 'any/any>x/any:80 y/any>any/any:81', closed: '' },
  { title: 'NP-76: namespaces by the label they have by default', policies: [ingress('x', all, from({ namespaceSelector: within('kubernetes.io/metadata.name', 'In', 'z') }))], open: 'z/any>x/any:80', closed: 'y/any>x/any:80 x/a>x/b:80' },
  { title: 'NP-77: a pod\'s address widened by 8 bits, less 4', policies: [ingress('x', podA, from(block('10.0.2.1/24', '10.0.2.1/28')))], open: '', closed: 'y/a>x/a:80 y/c>x/a:80 x/b>x/a:80' },
]

describe('createEvaluator() for NetworkPolicies', () => {
  test.each(rows)('$title', ({ policies, open, closed, ...edits }) => {
    const judge = createEvaluator(worldOf(policies, edits))
    for (const { probe, packet } of packetsOf(open)) expect(judge(packet).allowed, `${probe} is open`).toBe(true)
    for (const { probe, packet } of packetsOf(closed)) expect(judge(packet).allowed, `${probe} is closed`).toBe(false)
  })
})

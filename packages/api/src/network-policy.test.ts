import { describe, expect, test } from 'vitest'
import { type NetworkPolicy, toNetworkPolicy } from './network-policy.ts'

const read = (spec: unknown): NetworkPolicy => toNetworkPolicy({ metadata: { namespace: 'shop', name: 'web' }, spec })
const good = { podSelector: { matchLabels: { app: 'web' } } }
const web = [{ key: 'app', operator: 'In', values: ['web'] }]
const namespaces = { namespaceSelector: {} }

describe('toNetworkPolicy() fails closed, one rule, peer or port at a time (P4, P10)', () => {
  test.each<readonly [string, object, number, string]>([
    ['an empty peer', { from: [{}, namespaces] }, 1, 'spec.ingress[0].from[0] is empty, wanted an ipBlock'],
    ['a peer that is null', { from: [null, namespaces] }, 1, 'spec.ingress[0].from[0] is null'],
    ['a peer of two kinds', { from: [{ ipBlock: { cidr: '10.0.0.0/8' }, podSelector: {} }, namespaces] }, 1, 'wanted one of them'],
    ['a network that is none', { from: [{ ipBlock: { cidr: '' } }, namespaces] }, 1, 'spec.ingress[0].from[0].ipBlock.cidr'],
    ['an exception outside of its network', { from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] } }, namespaces] }, 1, 'not inside'],
    ['a selector of the unknown', { from: [{ podSelector: { matchExpressions: [{ key: 'a', operator: 'Gt', values: ['1'] }] } }, namespaces] }, 1, 'wanted one of In'],
  ])('%s is left out, others of its rule stay', (_, rule, peers, problem) => {
    const { ingress, problems } = read({ ...good, ingress: [rule, { from: [namespaces] }] })
    expect([ingress?.map((each) => each.peers.length), problems]).toEqual([[peers, 1], [expect.stringContaining(problem)]])
  })

  test.each<readonly [string, object, string]>([
    ['a port without name', { ports: [{ port: '' }, { port: 80 }] }, 'spec.ingress[0].ports[0].port is empty'],
    ['a range without start', { ports: [{ endPort: 5 }, { port: 80 }] }, 'spec.ingress[0].ports[0].port'],
    ['a range backwards', { ports: [{ port: 9, endPort: 5 }, { port: 80 }] }, 'below port 9'],
    ['a protocol of no kind', { ports: [{ port: 9, protocol: 'ICMP' }, { port: 80 }] }, 'wanted one of TCP'],
  ])('%s is left out, others of its rule stay', (_, rule, problem) => {
    const { ingress, problems } = read({ ...good, ingress: [rule] })
    expect([ingress, problems]).toEqual([[{ peers: [], ports: [{ protocol: 'TCP', port: 80, endPort: undefined }] }], [expect.stringContaining(problem)]])
  })

  test.each<readonly [string, unknown]>([
    ['whose only peer is unreadable', { from: [{}] }], ['whose only port is', { ports: [{ port: 0 }] }], ['whose peers are no list', { from: {} }], ['that is null', null], ['that is text', 'x'],
  ])('a rule %s allows nothing', (_, rule) => {
    const { ingress, problems } = read({ ...good, ingress: [rule, { from: [namespaces] }] })
    expect(ingress).toEqual([{ peers: [{ kind: 'pods', namespaces: [], pods: undefined }], ports: [] }])
    expect(problems.length).toBeGreaterThan(0)
  })

  test('rules that are no list allow nothing', () => {
    expect(read({ ...good, ingress: 'x' })).toMatchObject({ pods: web, ingress: [], egress: undefined, problems: ['spec.ingress is not a list'] })
    expect(read({ ...good, egress: 'x' })).toMatchObject({ ingress: [], egress: [], problems: ['spec.egress is not a list'] })
  })

  test('an unreadable podSelector closes its namespace, for nobody knows whom the rules are for', () => {
    const spec = { policyTypes: ['Ingress'], ingress: [{}] }
    expect(read({ ...spec, podSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } })).toMatchObject({ pods: [], ingress: [], egress: undefined, problems: [expect.stringContaining('wants at least one')] })
    expect(read({ ...spec, podSelector: 7 })).toMatchObject({ pods: [], ingress: [], egress: undefined })
  })

  test('unreadable policyTypes isolate both directions', () => {
    expect(read({ ...good, policyTypes: ['ingress'], ingress: [{}] })).toMatchObject({ pods: web, ingress: [{ peers: [], ports: [] }], egress: [], problems: [expect.stringContaining('wanted one of Ingress, Egress')] })
  })

  test('of a spec that is none, and of metadata nobody needs', () => {
    expect(read('x')).toMatchObject({ pods: [], ingress: [], egress: [] })
    expect(toNetworkPolicy({ metadata: { namespace: 'shop', name: 'web', labels: { a: 1 }, uid: 7 }, spec: good })).toMatchObject({ namespace: 'shop', name: 'web', labels: {}, pods: web, ingress: [] })
  })

  test('NP-6: types default to ingress, and to egress with rules for it', () => {
    expect([{}, { egress: [] }, { egress: [{}] }].map((more) => { const { ingress, egress } = read({ ...good, ...more }); return [ingress, egress] })).toEqual([[[], undefined], [[], undefined], [[], [{ peers: [], ports: [] }]]])
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { toEndpointSlice } from './endpoint-slice.ts'
import { InvalidObjectError } from './invalid-object.ts'
import { toIpBlock, toIpPool } from './ip-pool.ts'
import { formatLabelSelector, readLabelSelector, selectorMatches } from './label-selector.ts'
import { Field } from './field.ts'
import { toNamespace } from './namespace.ts'
import { toNetworkPolicy } from './network-policy.ts'
import { toNode } from './node.ts'
import { toPod } from './pod.ts'
import { toService } from './service.ts'

const trimmers = { toPod, toNode, toNamespace, toService, toEndpointSlice, toNetworkPolicy, toIpPool, toIpBlock } as const
const metadata = { namespace: 'shop', name: 'web' }

/** Values below the keys that trimmers read, so that they get past the first field. */
const garbage = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 5 }, fc.constantFrom(null, true, 0, -1, 80, 65_536, '', 'TCP', '10.0.0.1', '127.0.0.1', '::1', '10.0.0.0/8', 'None', 'Ingress', 'In', 'web'), tie('list'), tie('object')),
  list: fc.array(tie('value'), { maxLength: 3 }),
  object: fc.dictionary(fc.constantFrom('spec', 'status', 'ports', 'port', 'clusterIP', 'clusterIPs', 'podCIDRs', 'podIPs', 'ip', 'ingress', 'from', 'ipBlock', 'cidr', 'except', 'endpoints', 'addresses', 'addressType', 'podSelector', 'matchLabels', 'matchExpressions', 'containers', 'labels', '__proto__'), tie('value'), { maxKeys: 6 }),
})).value

describe.each(Object.entries(trimmers))('%s()', (_name, trim) => {
  test('N2 returns a value or throws InvalidObjectError that names object and field', () => {
    fc.assert(fc.property(garbage, garbage, garbage, (spec, status, rest) => {
      try {
        trim({ metadata, spec, status, ...(typeof rest === 'object' && !Array.isArray(rest) ? rest : {}) })
      } catch (error) {
        expect(error).toBeInstanceOf(InvalidObjectError)
        expect((error as Error).message).toMatch(/^Cannot use \w+ (shop\/)?web: \S+ /)
      }
    }))
  })

  test('N2 refuses what is no object, or has no name', () => {
    for (const object of [undefined, null, 1, 'text', [], {}, { metadata: {} }, { metadata: { name: 5 } }]) expect(() => trim(object)).toThrow(InvalidObjectError)
  })
})

test('toPod() N1 keeps nothing but what it says', () => {
  const small = toPod({ metadata, spec: { containers: [] } })
  expect(toPod({ metadata: { ...metadata, managedFields: [{}], annotations: { big: 'x'.repeat(1000) } }, spec: { containers: [], volumes: [{}] }, other: 1 })).toEqual(small)
})

test('toService() N3 gives the defaults of the API, null is absent', () => {
  const service = toService({ metadata, spec: { clusterIP: '10.96.0.1', type: null, ports: [{ port: 80, nodePort: null }], internalTrafficPolicy: null } })
  expect(service).toMatchObject({ type: 'ClusterIP', internalTrafficPolicy: 'Cluster', externalTrafficPolicy: 'Cluster', affinitySeconds: undefined, ports: [{ name: '', protocol: 'TCP', port: 80, nodePort: undefined }] })
})

test('toService() N4 a node port of 0 is none (CVE-2021-25736)', () => {
  expect(toService({ metadata, spec: { ports: [{ port: 80, nodePort: 0 }] } }).ports[0]?.nodePort).toBeUndefined()
})

test('toNetworkPolicy() N4 refuses an empty peer, and an exception outside its block', () => {
  expect(() => toNetworkPolicy({ metadata, spec: { ingress: [{ from: [{}] }] } })).toThrow('spec.ingress[0].from[0] is empty')
  expect(() => toNetworkPolicy({ metadata, spec: { ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/24'] } }] }] } })).toThrow('spec.ingress[0].from[0].ipBlock.except[0] is 11.0.0.0/24')
})

test('toEndpointSlice() N5 refuses an address that no endpoint may have (CVE-2021-25737)', () => {
  for (const address of ['127.0.0.1', '169.254.169.254', '224.0.0.1', '0.0.0.0']) {
    expect(() => toEndpointSlice({ metadata, addressType: 'IPv4', endpoints: [{ addresses: [address] }] })).toThrow(InvalidObjectError)
  }
  expect(() => toEndpointSlice({ metadata, addressType: 'IPv4', endpoints: [{ addresses: ['fd00::1'] }] })).toThrow('wanted an address of type IPv4')
})

const label = fc.constantFrom('a', 'b', 'c')
const expression = fc.oneof(
  fc.record({ key: label, operator: fc.constantFrom('In', 'NotIn'), values: fc.uniqueArray(label, { minLength: 1 }) }),
  fc.record({ key: label, operator: fc.constantFrom('Exists', 'DoesNotExist') }),
)

test('readLabelSelector() N6 does not depend on the order it was written in', () => {
  fc.assert(fc.property(fc.array(expression), fc.dictionary(label, label), fc.dictionary(label, label), (matchExpressions, matchLabels, labels) => {
    const read = (value: object) => readLabelSelector(new Field('NetworkPolicy shop/web', 'spec.podSelector', value))
    const one = read({ matchExpressions, matchLabels })
    const other = read({ matchLabels: Object.fromEntries(Object.entries(matchLabels).toReversed()), matchExpressions: matchExpressions.toReversed().map((each) => ('values' in each ? { ...each, values: each.values.toReversed() } : each)) })
    expect(other).toEqual(one)
    expect(formatLabelSelector(other)).toBe(formatLabelSelector(one))
    expect(selectorMatches(other, labels)).toBe(selectorMatches(one, labels))
  }))
})

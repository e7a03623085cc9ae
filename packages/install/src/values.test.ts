import { parseNodeName } from '@weft/api'
import { describe, expect, test } from 'vitest'
import type { ClusterFacts } from './cluster/facts.ts'
import { imageValues, knowsApiServers, mergeValues, valuesFor } from './values.ts'

const facts: ClusterFacts = {
  version: 'v1.36.3', distribution: 'kind', nodes: ['a', 'b', 'c'].map(parseNodeName), families: [4], hasPodCidrs: true, serviceCidrs: ['10.96.0.0/16'], ranges: { nodes: [], services: [], pools: [] }, architectures: {},
  apiServers: ['https://192.0.2.1:6443'], dns: { addresses: ['10.96.0.10'], zone: 'cluster.local' }, networks: [], kubeProxy: false, coreDns: false,
}

describe('valuesFor()', () => {
  test('what is given stands over what the cluster tells, key by key', () => {
    const values = valuesFor(facts, { dns: { zone: 'example.local' }, config: { agent: { proxy: { nodePortLoopback: true } } } })
    expect(values.dns).toEqual({ addresses: ['10.96.0.10'], zone: 'example.local' })
    expect(values.config).toMatchObject({ agent: { proxy: { serviceCidrs: ['10.96.0.0/16'], nodePortLoopback: true } }, dns: { dns: { reverseRanges: ['10.96.0.0/16'] } } })
    expect(values.controller.replicas).toBe(2)
  })

  test('a cluster that does not tell its API servers is one of which nobody knows them, unless somebody does', () => {
    expect(knowsApiServers(valuesFor({ ...facts, apiServers: [] }, {}))).toBe(false)
    expect(knowsApiServers(valuesFor({ ...facts, apiServers: [] }, { apiServers: ['https://192.0.2.9:6443'] }))).toBe(true)
  })

  test('a value that the chart does not have is refused', () => {
    expect(() => valuesFor(facts, { dsn: {} })).toThrow('dsn')
  })
})

describe('mergeValues()', () => {
  test('objects are merged, lists are replaced, null takes away', () => {
    expect(mergeValues({ a: { b: 1, c: [1, 2] }, d: 1 }, { a: { c: [3], e: { f: null, g: 2 } }, d: null })).toEqual({ a: { b: 1, c: [3], e: { g: 2 } } })
  })
})

describe('imageValues()', () => {
  test.each([
    ['weft.dev/weft:1.2.3', { image: { repository: 'weft.dev/weft', tag: '1.2.3' } }],
    ['registry.example:5000/weft', { image: { repository: 'registry.example:5000/weft' } }],
    ['registry.example:5000/weft:2', { image: { repository: 'registry.example:5000/weft', tag: '2' } }],
    [undefined, {}],
  ])('%s', (image, values) => {
    expect(imageValues(image)).toEqual(values)
  })
})

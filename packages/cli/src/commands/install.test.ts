import { nodeResource, parseNodeName } from '@weft/api'
import { expect, test } from 'vitest'
import { factsForJson } from './install.ts'

test('factsForJson() can be written as JSON: no parsed address is in it', () => {
  const node = nodeResource.trim({ metadata: { name: 'a' }, spec: { podCIDRs: ['10.244.0.0/24'] }, status: { addresses: [{ type: 'InternalIP', address: '172.30.0.10' }] } })
  const facts = {
    version: 'v1.36.3', distribution: 'kind', nodes: [parseNodeName('a')], families: [4], hasPodCidrs: true, serviceCidrs: ['10.96.0.0/16'], ranges: { nodes: [node], services: ['10.96.0.0/16'], pools: [] },
    architectures: { amd64: ['a'] }, apiServers: ['https://192.0.2.1:6443'], dns: { addresses: ['10.96.0.10'], zone: 'cluster.local' }, networks: [], kubeProxy: false, coreDns: false,
  } as const
  expect(JSON.parse(JSON.stringify(factsForJson(facts)))).toMatchObject({ nodes: ['a'], serviceCidrs: ['10.96.0.0/16'], architectures: { amd64: ['a'] } })
})

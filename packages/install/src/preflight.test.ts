import { parseNodeName } from '@weft/api'
import { describe, expect, test } from 'vitest'
import type { ClusterFacts } from './cluster/facts.ts'
import { clusterFindings } from './preflight.ts'

const facts: ClusterFacts = {
  version: 'v1.36.3', distribution: 'kind', nodes: ['a', 'b'].map(parseNodeName), families: [4], hasPodCidrs: true, serviceCidrs: ['10.96.0.0/16'],
  apiServers: ['https://192.0.2.1:6443'], dns: { addresses: ['10.96.0.10'], zone: 'cluster.local' }, networks: [], kubeProxy: false, coreDns: false,
}
const levels = (changed: Partial<ClusterFacts>, { replaceKubeProxy = false, knowsApiServers = true } = {}): Readonly<Record<string, string>> =>
  Object.fromEntries(clusterFindings({ ...facts, ...changed }, { replaceKubeProxy, knowsApiServers }).map(({ name, level }) => [name, level]))

describe('clusterFindings()', () => {
  test('a plain cluster is fine', () => {
    expect(new Set(Object.values(levels({})))).toEqual(new Set(['ok']))
  })

  test.each([
    ['two networks at once', { networks: ['cilium'] }, 'networks'],
    ['an old Kubernetes', { version: 'v1.28.4-gke.1' }, 'version'],
    ['no nodes', { nodes: [] }, 'nodes'],
  ])('%s is refused', (_, changed, name) => {
    expect(levels(changed)[name]).toBe('fail')
  })

  test('an API server that neither the cluster nor anybody else tells is refused', () => {
    expect(levels({ apiServers: [] }, { knowsApiServers: false })['api-servers']).toBe('fail')
    expect(levels({ apiServers: [] })['api-servers']).toBe('ok')
  })

  test('LIFE-11 kube-proxy is told, unless it is to be replaced', () => {
    expect(levels({ kubeProxy: true })['kube-proxy']).toBe('warn')
    expect(levels({ kubeProxy: true }, { replaceKubeProxy: true })['kube-proxy']).toBe('ok')
  })

  test('N2 whatever is not fine has a remedy', () => {
    const findings = clusterFindings({ ...facts, networks: ['x'], version: 'v1.20', apiServers: [], nodes: [], kubeProxy: true }, { replaceKubeProxy: false, knowsApiServers: false })
    expect(findings.filter(({ level, remedy }) => level !== 'ok' && remedy === undefined)).toEqual([])
  })
})

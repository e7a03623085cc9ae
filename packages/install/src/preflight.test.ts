import { type Node, parseNodeName, toNode } from '@weft/api'
import { parseCidr } from '@weft/ip'
import { describe, expect, test } from 'vitest'
import type { Values } from '@weft/manifests'
import type { ClusterFacts } from './cluster/facts.ts'
import { clusterFindings } from './preflight.ts'

const node = (name: string, ips: readonly string[], ...podCIDRs: readonly string[]): Node =>
  toNode({ metadata: { name, uid: name, resourceVersion: '1' }, spec: { podCIDRs }, status: { addresses: ips.map((address) => ({ type: 'InternalIP', address })) } })
const nodes = [node('a', ['192.0.2.1'], '10.244.0.0/24'), node('b', ['192.0.2.2'], '10.244.1.0/24')]
const values: Pick<Values, 'config'> = { config: { agent: {}, dns: {}, controller: {} } }

const facts: ClusterFacts = {
  ranges: { nodes, services: ['10.96.0.0/16'], pools: [] }, architectures: { amd64: ['a', 'b'] },
  version: 'v1.36.3', distribution: 'kind', nodes: ['a', 'b'].map(parseNodeName), families: [4], hasPodCidrs: true, serviceCidrs: ['10.96.0.0/16'],
  apiServers: ['https://192.0.2.1:6443'], dns: { addresses: ['10.96.0.10'], zone: 'cluster.local' }, networks: [], kubeProxy: false, coreDns: false,
}
const levels = (changed: Partial<ClusterFacts>, { replaceKubeProxy = false, knowsApiServers = true, values: given = values } = {}): Readonly<Record<string, string>> =>
  Object.fromEntries(clusterFindings({ ...facts, ...changed }, { replaceKubeProxy, knowsApiServers, values: given }).map(({ name, level }) => [name, level]))

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

  const found = (name: string, changed: Partial<ClusterFacts>, controller: Readonly<Record<string, unknown>> = {}): unknown =>
    clusterFindings({ ...facts, ...changed }, { replaceKubeProxy: false, knowsApiServers: true, values: { config: { ...values.config, controller } } }).find((each) => each.name === name)

  test.each([
    ['pods in the range of Services', { nodes, services: ['10.240.0.0/12'] }, '10.244.0.0/24 of pods on node "a" overlaps 10.240.0.0/12 of Services; 10.244.1.0/24 of pods on node "b" overlaps 10.240.0.0/12 of Services'],
    ['a node in the range of pods', { nodes: [node('a', ['10.244.1.7'], '10.244.0.0/24'), nodes[1]!], services: [] }, '10.244.1.7 of node "a" is in 10.244.1.0/24 of pods on node "b"'],
    ['a node in the range of Services', { nodes, services: ['192.0.2.0/24'] }, '192.0.2.1 of node "a" is in 192.0.2.0/24 of Services; 192.0.2.2 of node "b" is in 192.0.2.0/24 of Services'],
    ['one range for pods of two nodes', { nodes: [nodes[0]!, node('b', ['192.0.2.2'], '10.244.0.0/24')], services: [] }, '10.244.0.0/24 of pods on node "b" overlaps 10.244.0.0/24 of pods on node "a"'],
    ['a range of Services with host bits', { nodes, services: ['10.96.0.1/16'] }, 'services: Cannot parse network "10.96.0.1/16": host bits are set, wanted 10.96.0.0/16'],
  ])('%s is refused, with both ranges and what to do', (_, changed, detail) => {
    expect(found('ranges', { ranges: { pools: [], ...changed } })).toMatchObject({ level: 'fail', detail, remedy: expect.stringMatching(/apart|as is wanted/) as unknown })
  })

  test('pools are looked at where nodes have no podCIDRs: those there are, and those of the values', () => {
    const bare = { nodes: [node('a', ['192.0.2.1'])], services: ['10.96.0.0/12'], pools: [] }
    const pools = (cidr: string): Readonly<Record<string, unknown>> => ({ pools: { pools: [{ name: 'default', cidr }] } })
    expect(found('ranges', { ranges: bare }, pools('10.100.0.0/16'))).toMatchObject({ level: 'fail', detail: '10.100.0.0/16 of pool "default" overlaps 10.96.0.0/12 of Services' })
    expect(found('ranges', { ranges: bare }, pools('10.244.0.9/16'))).toMatchObject({ level: 'fail', detail: 'pool "default": Cannot parse network "10.244.0.9/16": host bits are set, wanted 10.244.0.0/16' })
    expect(found('ranges', { ranges: bare }, pools('10.244.0.0/16'))).toMatchObject({ level: 'ok', detail: 'addresses come out of pools: 10.244.0.0/16' })
    expect(found('ranges', { ranges: { ...bare, pools: [{ name: 'default', cidr: parseCidr('192.0.2.0/24') }] } }, pools('10.244.0.0/16'))).toMatchObject({ level: 'fail', detail: '192.0.2.1 of node "a" is in 192.0.2.0/24 of pool "default"' })
    // Where the cluster assigns podCIDRs nothing is taken from a pool.
    expect(found('ranges', {}, pools('10.96.0.0/16'))).toMatchObject({ level: 'ok' })
  })

  test('families that nodes do not have are refused, Services of one that pods do not have are told', () => {
    const dual = [node('a', ['192.0.2.1'], '10.244.0.0/24', 'fd00:10:244::/64'), node('b', ['192.0.2.2', '2001:db8::2'], '10.244.1.0/24', 'fd00:10:244:1::/64')]
    expect(found('families', { ranges: { nodes: dual, services: [], pools: [] } })).toMatchObject({ level: 'fail', detail: 'pods have a range of IPv6, and node a no address of it' })
    expect(found('families', { ranges: { nodes, services: ['10.96.0.0/16', 'fd00:10:96::/112'], pools: [] } })).toMatchObject({ level: 'warn', detail: 'Services have a range of IPv6, and pods none' })
    expect(found('families', {})).toMatchObject({ level: 'ok', detail: 'IPv4' })
  })

  test('nodes of several architectures are told, each by name', () => {
    expect(found('architectures', { architectures: { amd64: ['a'], arm64: ['b'] } })).toMatchObject({ level: 'warn', detail: 'amd64 (a) and arm64 (b)', remedy: expect.stringContaining('--platform') as unknown })
  })

  test('LIFE-11 kube-proxy is told, unless it is to be replaced', () => {
    expect(levels({ kubeProxy: true })['kube-proxy']).toBe('warn')
    expect(levels({ kubeProxy: true }, { replaceKubeProxy: true })['kube-proxy']).toBe('ok')
  })

  test('N2 whatever is not fine has a remedy', () => {
    const findings = clusterFindings({ ...facts, networks: ['x'], version: 'v1.20', apiServers: [], nodes: [], kubeProxy: true }, { replaceKubeProxy: false, knowsApiServers: false, values })
    expect(findings.filter(({ level, remedy }) => level !== 'ok' && remedy === undefined)).toEqual([])
  })
})

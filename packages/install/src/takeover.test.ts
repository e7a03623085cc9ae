import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { rememberDnsService, giveBack, takeOver } from './takeover.ts'
import { FakeCluster } from './testing/fake-cluster.ts'

const sets = '/apis/apps/v1/daemonsets'
const deployments = '/apis/apps/v1/deployments'
const services = '/api/v1/services'
const { signal } = new AbortController()
const proxySpec = { template: { spec: { nodeSelector: { 'kubernetes.io/os': 'linux' }, containers: [{ name: 'kube-proxy', image: 'proxy:1' }] } } }
const dnsSpec = { selector: { 'k8s-app': 'kube-dns' }, clusterIP: '10.96.0.10', ports: [{ name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 }] }

describe('takeOver() and giveBack()', () => {
  let cluster: FakeCluster

  beforeEach(async () => {
    cluster = await FakeCluster.start(['a', 'b'])
    const { api } = cluster.server
    api.put(sets, { metadata: { name: 'kube-proxy', namespace: 'kube-system' }, spec: proxySpec })
    api.put(deployments, { metadata: { name: 'coredns', namespace: 'kube-system' }, spec: { replicas: 3 } })
    api.put(services, { metadata: { name: 'kube-dns', namespace: 'kube-system' }, spec: dnsSpec })
  })
  afterEach(async () => cluster[Symbol.asyncDispose]())

  test('N6, LIFE-11 kube-proxy and CoreDNS rest, and are as before when they are given back', async () => {
    const { kube } = cluster
    await rememberDnsService(kube, { signal })
    expect(await takeOver(kube, { signal })).toEqual(['kube-proxy', 'CoreDNS'])
    expect(cluster.object(sets, 'kube-proxy').spec).toMatchObject({ template: { spec: { nodeSelector: { 'weft.dev/replaced': 'true' } } } })
    expect(cluster.object(deployments, 'coredns').spec).toEqual({ replicas: 0 })
    // What an installation makes of the Service.
    const service = cluster.object(services, 'kube-dns')
    cluster.server.api.put(services, { ...service, spec: { ...dnsSpec, selector: { 'app.kubernetes.io/name': 'weft' }, ports: [{ name: 'dns', port: 53, protocol: 'UDP', targetPort: 10_053 }] } })

    expect(await giveBack(kube, { signal })).toEqual(['kube-proxy', 'CoreDNS', 'Service kube-dns'])
    expect([cluster.object(sets, 'kube-proxy'), cluster.object(deployments, 'coredns'), cluster.object(services, 'kube-dns')].map(({ spec, metadata: { annotations } }) => ({ spec, annotations })))
      .toEqual([{ spec: proxySpec, annotations: {} }, { spec: { replicas: 3 }, annotations: {} }, { spec: dnsSpec, annotations: {} }])
  })

  test('N6 taking over twice does not forget what was before', async () => {
    const { kube } = cluster
    for (let round = 0; round < 2; round++) {
      await rememberDnsService(kube, { signal })
      await takeOver(kube, { signal })
    }
    await giveBack(kube, { signal })
    expect([cluster.object(sets, 'kube-proxy').spec, cluster.object(deployments, 'coredns').spec]).toEqual([proxySpec, { replicas: 3 }])
  })

  test('where nobody did the work there is nothing to take or to give', async () => {
    await using empty = await FakeCluster.start(['a'])
    await rememberDnsService(empty.kube, { signal })
    expect(await takeOver(empty.kube, { signal })).toEqual([])
    expect(await giveBack(empty.kube, { signal })).toEqual([])
  })
})

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { giveBack, releaseDnsService, rememberDnsService, takeOver, type TakeOverOptions, untilDnsIsOurs } from './takeover.ts'
import { FakeCluster } from './testing/fake-cluster.ts'

const pods = '/api/v1/pods'
const sets = '/apis/apps/v1/daemonsets'
const deployments = '/apis/apps/v1/deployments'
const services = '/api/v1/services'
const { signal } = new AbortController()
const proxySpec = { selector: { matchLabels: { 'k8s-app': 'kube-proxy' } }, template: { spec: { nodeSelector: { 'kubernetes.io/os': 'linux' }, containers: [{ name: 'kube-proxy', image: 'proxy:1' }] } } }
const coreDnsLabels = { 'k8s-app': 'kube-dns', 'pod-template-hash': 'abc' }
const dnsSpec = { selector: { 'k8s-app': 'kube-dns' }, clusterIP: '10.96.0.10', ports: [{ name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 }] }

describe('takeOver() and giveBack()', () => {
  let cluster: FakeCluster

  let rulesRemoved: number
  const options = (): TakeOverOptions => ({
    signal, clock: cluster.clock, timeoutMs: 5000,
    removeProxyRules: async () => {
      await Promise.resolve()
      rulesRemoved += 1
    },
  })

  beforeEach(async () => {
    cluster = await FakeCluster.start(['a', 'b'])
    rulesRemoved = 0
    const { api } = cluster.server
    api.put(sets, { metadata: { name: 'kube-proxy', namespace: 'kube-system' }, spec: proxySpec, status: { numberReady: 2, desiredNumberScheduled: 2 } })
    api.put(deployments, { metadata: { name: 'coredns', namespace: 'kube-system' }, spec: { replicas: 3 }, status: { availableReplicas: 1 } })
    api.put(services, { metadata: { name: 'kube-dns', namespace: 'kube-system' }, spec: dnsSpec })
    for (const name of ['coredns-1', 'coredns-2']) api.put(pods, { metadata: { name, namespace: 'kube-system', labels: coreDnsLabels } })
  })
  afterEach(async () => cluster[Symbol.asyncDispose]())

  test('N6, LIFE-11 kube-proxy and CoreDNS rest, and are as before when they are given back', async () => {
    const { kube } = cluster
    expect(await rememberDnsService(kube, { signal })).toBe(true)
    expect(await takeOver(kube, options())).toEqual(['kube-proxy', 'CoreDNS'])
    expect(rulesRemoved).toBe(1)
    // Ours have the label, too, and would be asked on their ports.
    expect(cluster.object(services, 'kube-dns').spec).toEqual({ ...dnsSpec, selector: coreDnsLabels })
    expect(cluster.object(sets, 'kube-proxy').spec).toMatchObject({ template: { spec: { nodeSelector: { 'weft.dev/replaced': 'true' } } } })
    expect(cluster.object(deployments, 'coredns').spec).toEqual({ replicas: 0 })
    // What an installation makes of the Service.
    const service = cluster.object(services, 'kube-dns')
    cluster.server.api.put(services, { ...service, spec: { ...dnsSpec, selector: { 'app.kubernetes.io/name': 'weft' }, ports: [{ name: 'dns', port: 53, protocol: 'UDP', targetPort: 10_053 }] } })

    // As long as ours are there.
    cluster.server.api.put(pods, { metadata: { name: 'weft-agent-a', namespace: 'kube-system', labels: { 'app.kubernetes.io/name': 'weft', 'k8s-app': 'kube-dns' } } })
    expect(await giveBack(kube, options())).toEqual(['kube-proxy', 'CoreDNS', 'Service kube-dns'])
    expect(cluster.object(services, 'kube-dns').spec).toEqual({ ...dnsSpec, selector: coreDnsLabels })
    await releaseDnsService(kube, { signal })
    expect([cluster.object(sets, 'kube-proxy'), cluster.object(deployments, 'coredns'), cluster.object(services, 'kube-dns')].map(({ spec, metadata: { annotations } }) => ({ spec, annotations })))
      .toEqual([{ spec: proxySpec, annotations: {} }, { spec: { replicas: 3 }, annotations: {} }, { spec: dnsSpec, annotations: {} }])
  })

  test('N6 taking over twice does not forget what was before', async () => {
    const { kube } = cluster
    for (let round = 0; round < 2; round++) {
      await rememberDnsService(kube, { signal })
      await takeOver(kube, options())
    }
    await giveBack(kube, options())
    expect([cluster.object(sets, 'kube-proxy').spec, cluster.object(deployments, 'coredns').spec]).toEqual([proxySpec, { replicas: 3 }])
  })

  test('N6 a Service of DNS behind which nobody stands is ours at once', async () => {
    for (const name of ['coredns-1', 'coredns-2']) cluster.server.api.remove(pods, `kube-system/${name}`)
    expect(await rememberDnsService(cluster.kube, { signal })).toBe(false)
    await releaseDnsService(cluster.kube, { signal })
    expect(cluster.object(services, 'kube-dns')).toMatchObject({ spec: dnsSpec, metadata: { annotations: {} } })
  })

  test('where nobody did the work there is nothing to take or to give', async () => {
    await using empty = await FakeCluster.start(['a'])
    expect(await rememberDnsService(empty.kube, { signal })).toBe(false)
    expect(await takeOver(empty.kube, options())).toEqual([])
    expect(rulesRemoved).toBe(0)
    expect(await giveBack(empty.kube, options())).toEqual([])
  })
  test('N8 rules of a kube-proxy that does not end stay, and it is told', async () => {
    cluster.server.api.put(pods, { metadata: { name: 'kube-proxy-a', namespace: 'kube-system', labels: { 'k8s-app': 'kube-proxy' } } })
    await expect(takeOver(cluster.kube, options())).rejects.toMatchObject({ code: 'ERR_INSTALL_TIMEOUT', message: expect.stringContaining('1 pods of it are still there') })
    expect(rulesRemoved).toBe(0)
    cluster.server.api.remove(pods, 'kube-system/kube-proxy-a')
    expect(await takeOver(cluster.kube, options())).toEqual(['CoreDNS'])
    expect(rulesRemoved).toBe(1)
  })

  test('N6 the Service of DNS stays ours until CoreDNS answers; the next run does not wait for it', async () => {
    const { kube, server: { api } } = cluster
    await rememberDnsService(kube, { signal })
    await takeOver(kube, options())
    api.put(services, { ...cluster.object(services, 'kube-dns'), spec: { ...dnsSpec, selector: { 'app.kubernetes.io/name': 'weft' } } })
    api.put(deployments, { ...cluster.object(deployments, 'coredns'), status: {} })
    await expect(giveBack(kube, options())).rejects.toMatchObject({ code: 'ERR_INSTALL_TIMEOUT', message: expect.stringContaining('coredns') })
    expect(cluster.object(services, 'kube-dns').spec).toMatchObject({ selector: { 'app.kubernetes.io/name': 'weft' } })
    expect(await giveBack(kube, options())).toEqual(['Service kube-dns'])
    await releaseDnsService(kube, { signal })
    expect(cluster.object(services, 'kube-dns').spec).toEqual(dnsSpec)
  })

  test('N6 DNS is ours when an endpoint of ours is Ready, and not before', async () => {
    const slice = (port: number, ready: boolean): void => void cluster.server.api.put('/apis/discovery.k8s.io/v1/endpointslices', { metadata: { name: 'kube-dns-1', namespace: 'kube-system', labels: { 'kubernetes.io/service-name': 'kube-dns' } }, addressType: 'IPv4', endpoints: [{ addresses: ['192.0.2.1'], conditions: { ready } }], ports: [{ name: 'dns', port, protocol: 'UDP' }] })
    for (const [port, ready] of [[53, true], [10_053, false]] as const) {
      slice(port, ready)
      await expect(untilDnsIsOurs(cluster.kube, options())).rejects.toThrow('no endpoint of ours')
    }
    slice(10_053, true)
    await untilDnsIsOurs(cluster.kube, options())
  })
})

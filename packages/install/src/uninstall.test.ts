import { customResources } from '@weft/manifests'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { install } from './install.ts'
import { FakeCluster } from './testing/fake-cluster.ts'
import { uninstall } from './uninstall.ts'

const { signal } = new AbortController()
const onProgress = (): void => undefined

describe('uninstall()', () => {
  let cluster: FakeCluster
  const remove = async (): ReturnType<typeof uninstall> => await uninstall(cluster.kube, { signal, clock: cluster.clock, timeoutMs: 10_000, onProgress })
  const objectsLeft = (): readonly string[] => ['/api/v1/configmaps', '/api/v1/serviceaccounts', '/api/v1/services', '/apis/apps/v1/daemonsets', '/apis/apps/v1/deployments', '/apis/rbac.authorization.k8s.io/v1/clusterroles', '/apis/policy/v1/poddisruptionbudgets', '/apis/coordination.k8s.io/v1/leases', '/api/v1/pods']
    .flatMap((collection) => cluster.server.api.objects(collection).map(({ metadata: { name } }) => `${collection}/${name}`))

  beforeEach(async () => {
    cluster = await FakeCluster.start(['a', 'b'])
    await install(cluster.kube, { values: { cni: { binDir: '/usr/libexec/cni' } }, replaceKubeProxy: false, force: false, signal, clock: cluster.clock, timeoutMs: 10_000, onProgress })
  })
  afterEach(async () => cluster[Symbol.asyncDispose]())

  test('every node is cleaned after its agent ended, objects go, definitions of custom resources stay', async () => {
    cluster.server.api.put('/apis/coordination.k8s.io/v1/leases', { metadata: { name: 'weft-controller', namespace: 'kube-system' } })
    expect(await remove()).toEqual({ nodes: [{ node: 'a', ok: true, output: expect.any(String) }, { node: 'b', ok: true, output: expect.any(String) }], givenBack: [], losing: {} })
    expect(objectsLeft()).toEqual([])
    expect(cluster.server.api.objects('/apis/apiextensions.k8s.io/v1/customresourcedefinitions')).toHaveLength(customResources.length)
    const written = cluster.server.requests
    const rest = written.findIndex((each) => each.startsWith('PATCH /apis/apps/v1/namespaces/kube-system/daemonsets/weft-agent') && !each.includes('fieldManager'))
    const clean = written.findLastIndex((each) => each.startsWith('GET') && each.includes('weft-clean'))
    const gone = written.findIndex((each) => each.startsWith('DELETE /apis/apps/v1/namespaces/kube-system/daemonsets/weft-agent'))
    expect([rest, clean, gone].every((index) => index > -1) && rest < clean && clean < gone).toBe(true)
  })

  test('N3 a node that could not be cleaned keeps the DaemonSet, and the next run cleans it', async () => {
    const { server } = cluster
    server.fault({ match: /^POST .*\/pods/, status: 403, reason: 'Forbidden' })
    await expect(remove()).rejects.toMatchObject({ code: 'ERR_INSTALL_LEFT' })
    expect(objectsLeft()).toContain('/apis/apps/v1/daemonsets/weft-agent')
    expect((await remove()).nodes).toHaveLength(2)
    expect(objectsLeft()).toEqual([])
  })

  test('the programs that clean see the folders that the agents were told', async () => {
    let cleaner: unknown
    const { put } = cluster.server.api
    cluster.server.api.put = function (...[collection, object]) {
      if (object.metadata.name?.startsWith('weft-clean') === true) cleaner = object.spec
      return put.call(this, collection, object)
    }
    await remove()
    expect(JSON.stringify(cleaner)).toContain('"hostPath":{"path":"/usr/libexec/cni"')
  })

  test('N3 where nothing is installed it is fine', async () => {
    await remove()
    expect(await remove()).toEqual({ nodes: [], givenBack: [], losing: {} })
  })

  test('N10 pods that lose their network are told by namespace, before anything is changed', async () => {
    const put = (namespace: string, name: string, { hostNetwork = false, phase = 'Running', ips = ['10.244.0.9'] } = {}): unknown =>
      cluster.server.api.put('/api/v1/pods', { metadata: { namespace, name }, spec: { hostNetwork }, status: { phase, podIPs: ips.map((ip) => ({ ip })) } })
    put('shop', 'a')
    put('shop', 'b')
    put('books', 'a')
    put('shop', 'on-the-host', { hostNetwork: true })
    put('shop', 'ended', { phase: 'Succeeded' })
    put('shop', 'not-yet', { ips: [] })
    const seen: unknown[] = []
    const before = cluster.server.requests.length
    const { losing } = await uninstall(cluster.kube, { signal, clock: cluster.clock, timeoutMs: 10_000, onProgress, onLosing: (pods) => seen.push(pods, cluster.server.requests.slice(before).filter((request) => !request.startsWith('GET '))) })
    expect(seen).toEqual([{ books: 1, shop: 2 }, []])
    expect(losing).toEqual({ books: 1, shop: 2 })
  })

  test('a DNS Service of somebody else stays', async () => {
    const services = '/api/v1/services'
    const service = cluster.object(services, 'kube-dns')
    cluster.server.api.put(services, { ...service, spec: { ...service.spec as object, selector: { 'k8s-app': 'kube-dns' } } })
    await remove()
    expect(objectsLeft()).toEqual([`${services}/kube-dns`])
  })
})

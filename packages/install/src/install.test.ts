import { createKubeClient } from '@weft/kube'
import { FakeApiServer } from '@weft/kube/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { describeHealth, describeNotices, readHealth } from './health.ts'
import { install, type InstallOptions } from './install.ts'
import { FakeCluster } from './testing/fake-cluster.ts'

const { signal } = new AbortController()

describe('install()', () => {
  let cluster: FakeCluster
  const options = (changed: Partial<InstallOptions> = {}): InstallOptions => ({ values: {}, image: 'registry.example/weft:1', replaceKubeProxy: false, force: false, signal, clock: cluster.clock, timeoutMs: 10_000, onProgress: () => undefined, ...changed })
  /** What it did that is not reading. */
  const written = (): readonly string[] => cluster.server.requests.filter((request) => !request.startsWith('GET ')).map((request) => request.replace(/\?.*/, ''))
  const own = (path: string): boolean => path.includes('/namespaces/kube-system/pods')

  beforeEach(async () => {
    cluster = await FakeCluster.start(['a', 'b'])
  })
  afterEach(async () => cluster[Symbol.asyncDispose]())

  function putNode(name: string, podCIDR: string): void {
    cluster.server.api.put('/api/v1/nodes', { ...cluster.object('/api/v1/nodes', name), spec: { podCIDRs: [podCIDR] } })
  }

  test('N5 refused by preflight it leaves nothing on the cluster: its own pods come and go', async () => {
    putNode('b', '10.244.0.0/24')
    await expect(install(cluster.kube, options())).rejects.toMatchObject({
      code: 'ERR_INSTALL_REFUSED',
      message: expect.stringMatching(/^Cannot install network: cluster: 10\.244\.0\.0\/24 of pods on node "b" overlaps 10\.244\.0\.0\/24 of pods on node "a" \(make the cluster with ranges that are apart: .*\); nothing was changed$/) as unknown,
    })
    expect(cluster.server.api.objects('/api/v1/pods')).toEqual([])
    expect(written().filter((request) => !own(request))).toEqual([])
    expect(written().some(own)).toBe(true)
  })

  test('N5 when an object is refused, what was made before goes again, and what was there stays', async () => {
    cluster.server.api.put('/api/v1/serviceaccounts', { metadata: { name: 'weft-agent', namespace: 'kube-system' } })
    cluster.server.fault({ match: /^PATCH .*clusterroles\//, status: 403, reason: 'Forbidden', times: Infinity })
    await expect(install(cluster.kube, options())).rejects.toMatchObject({ code: 'ERR_INSTALL_REFUSED', message: expect.stringMatching(/^Cannot apply ClusterRole "weft-.*": Cannot PATCH .* 403 Forbidden, .*; what was made is taken back$/) as unknown })
    for (const collection of ['/api/v1/configmaps', '/apis/apps/v1/daemonsets', '/apis/apps/v1/deployments', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', '/api/v1/pods']) expect(cluster.server.api.objects(collection), collection).toEqual([])
    expect(cluster.server.api.objects('/api/v1/serviceaccounts').map(({ metadata }) => metadata.name)).toEqual(['weft-agent'])
  })

  test('a cluster that may not be looked at, or cannot be reached, is told with what to do', async () => {
    cluster.server.fault({ match: /^GET .*daemonsets/, status: 403, reason: 'Forbidden' })
    await expect(install(cluster.kube, options())).rejects.toThrow(/^Cannot look at the cluster: Cannot GET \/apis\/apps\/v1\/daemonsets: 403 Forbidden, .*; wanted a kubeconfig of somebody who may do all; nothing was changed$/)
    await using away = createKubeClient({ server: 'http://127.0.0.1:1' })
    await expect(install(away, options())).rejects.toThrow(/no answer from http:\/\/127\.0\.0\.1:1 \(connection refused\); wanted a kubeconfig with an address that answers; nothing was changed$/)
    expect(written()).toEqual([])
  })

  test('N10 pods that ran before are waited for until agents tell of them; run again it does not wait', async () => {
    cluster.server.api.put('/api/v1/pods', { metadata: { namespace: 'shop', name: 'old' }, spec: {}, status: { phase: 'Running', podIPs: [{ ip: '10.244.0.9' }] } })
    const work = cluster.work.bind(cluster)
    cluster.work = () => {
      work()
      // Ten seconds after the agents have come.
      if (cluster.clock.now() < 12_000 || Object.keys(cluster.agents()).length === 0) return
      const { status, ...node } = cluster.object('/api/v1/nodes', 'a')
      cluster.server.api.put('/api/v1/nodes', { ...node, status: { ...status as object, conditions: [{ type: 'Ready', status: 'True' }, { type: 'NetworkUnavailable', status: 'False', reason: 'PodsNotAttached', message: 'Weft wires pods on this node; 1 has no network' }] } })
    }
    const { health } = await install(cluster.kube, options())
    expect(describeNotices(health)).toEqual(['a: Weft wires pods on this node; 1 has no network'])
    const again = cluster.clock.now()
    await install(cluster.kube, options())
    expect(cluster.clock.now() - again).toBeLessThan(10_000)
  })

  test.each([
    ['the runtime finds no such image', { phase: 'Pending', containerStatuses: [{ state: { waiting: { reason: 'ErrImagePull', message: 'failed to pull: no match for platform in manifest: not found' } } }] }, ''],
    ['the runtime cannot start it', { phase: 'Failed', containerStatuses: [{ state: { terminated: { exitCode: 128, message: 'runc create failed: exec: "weft": exec format error' } } }] }, ''],
    ['the kernel does not', { phase: 'Failed' }, 'exec /usr/local/bin/weft: exec format error'],
  ])('an image for another architecture is refused with the node and what it needs: %s', async (_, status, log) => {
    await cluster[Symbol.asyncDispose]()
    cluster = await FakeCluster.start(['a', 'b'], { logs: log === '' ? {} : { 'weft-preflight-b': log } })
    const node = cluster.object('/api/v1/nodes', 'b')
    cluster.server.api.put('/api/v1/nodes', { ...node, status: { ...node.status as object, nodeInfo: { kubeletVersion: 'v1.36.3', architecture: 'arm64' } } })
    const work = cluster.work.bind(cluster)
    cluster.work = () => {
      for (const pod of cluster.server.api.objects('/api/v1/pods')) if (pod.metadata.name === 'weft-preflight-b') cluster.server.api.put('/api/v1/pods', { ...pod, status })
      work()
    }
    await expect(install(cluster.kube, options())).rejects.toThrow(/b: it could not look at this node: the image registry\.example\/weft:1 is not for node "b", which needs arm64; build it for that \(weft image build --platform linux\/arm64\)/)
    expect(cluster.server.api.objects('/api/v1/pods')).toEqual([])
  })
})

describe('readHealth()', () => {
  test('an agent whose image is for another architecture is told as that, by node', async () => {
    await using server = await FakeApiServer.start()
    await using kube = createKubeClient({ server: server.url })
    server.api.put('/api/v1/nodes', { metadata: { name: 'a' }, status: { nodeInfo: { architecture: 'arm64' }, conditions: [{ type: 'Ready', status: 'False' }, { type: 'NetworkUnavailable', status: 'True', message: 'Weft waits for pods: 403 Forbidden' }] } })
    server.api.put('/api/v1/pods', {
      metadata: { name: 'weft-agent-x', namespace: 'kube-system', labels: { 'app.kubernetes.io/name': 'weft', 'app.kubernetes.io/component': 'agent' } }, spec: { nodeName: 'a', containers: [{ name: 'agent', image: 'weft:1' }] },
      status: { initContainerStatuses: [{ name: 'prepare', restartCount: 2, state: { waiting: { reason: 'CrashLoopBackOff' } }, lastState: { terminated: { exitCode: 255, reason: 'Error' } } }] },
    })
    server.fault({ match: /\/log\?container=prepare&previous=true/, raw: 'exec /usr/local/bin/node: exec format error', times: Infinity })
    const [health] = await readHealth(kube, { signal })
    expect(health!.notice).toBe('')
    expect(describeHealth(health!)).toMatch(/^a: the image weft:1 is not for node "a", which needs arm64; .*, Weft waits for pods: 403 Forbidden, its kubelet says/)
  })

  test('N10 pods that the agent did not attach are a notice, and the node is healthy', async () => {
    await using server = await FakeApiServer.start()
    await using kube = createKubeClient({ server: server.url })
    const put = (name: string, reason: string): unknown => server.api.put('/api/v1/nodes', { metadata: { name }, status: { conditions: [{ type: 'Ready', status: 'True' }, { type: 'NetworkUnavailable', status: 'False', reason, message: 'Weft wires pods on this node; 1 has no network' }] } })
    put('a', 'PodsNotAttached')
    put('b', 'WeftReady')
    const health = await readHealth(kube, { signal })
    expect(health.map(({ network }) => network)).toEqual(['', ''])
    expect(describeNotices(health)).toEqual(['a: Weft wires pods on this node; 1 has no network'])
  })
})

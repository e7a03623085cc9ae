/* oxlint-disable typescript/no-unsafe-type-assertion -- answers are what the test says they are */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { realClock } from '@weft/daemon'
import { silentLogger } from '@weft/daemon/testing'
import type { KubeClient } from '@weft/kube'
import { parseCidr } from '@weft/ip'
import type { JsonObject, KubeObject } from '../apiserver/json.ts'
import { startServer, type StartedServer } from '../apiserver/testing/start-server.ts'
import { createControllers, type Controllers } from './index.ts'
import { limits } from './deployment.ts'
import { as, type Node, type Pod } from './model.ts'
import { nthRange } from './node-ranges.ts'
import { chooseNode } from './scheduler.ts'
import { templateHash } from './template-hash.ts'
import { FakeKubelet } from './testing/fake-kubelet.ts'

let started: StartedServer
let client: KubeClient
let controllers: Controllers
let running: Promise<void>
const stop = new AbortController()

beforeAll(async () => {
  started = await startServer()
  const { server } = started
  client = server.client
  const context = { storage: server.storage, client, clock: realClock, logger: silentLogger }
  controllers = createControllers(context, { ca: server.ca, config: { apiServerAddresses: ['172.30.1.250', 'fd00:172:30:1::250'] } })
  running = controllers.run(stop.signal)
  await controllers.ready
  new FakeKubelet(context).start(stop.signal)
  for (const name of ['n1', 'n2', 'n3']) await client.request('POST', '/api/v1/nodes', { body: { metadata: { name, labels: { name } }, status: { conditions: [{ type: 'Ready', status: 'True' }] } } })
})
afterAll(async () => {
  stop.abort()
  await running
  await started[Symbol.asyncDispose]()
})

const settled = async (): Promise<void> => {
  // Controllers wake each other and the kubelet: quiet twice in a row is quiet.
  for (let quiet = 0; quiet < 2; quiet++) {
    await controllers.settled()
    await new Promise(resolve => setImmediate(resolve))
  }
}
const workload = (kind: string, name: string, spec: JsonObject = {}): JsonObject => ({
  apiVersion: 'apps/v1', kind, metadata: { name },
  spec: { selector: { matchLabels: { app: name } }, template: { metadata: { labels: { app: name } }, spec: { containers: [{ name: 'c', image: 'i:1', ports: [{ name: 'http', containerPort: 80 }] }] } }, ...spec },
})
const podsOf = (name: string, namespace = 'default'): Pod[] => started.server.storage.list('pods', namespace).filter(pod => pod.metadata.labels?.['app'] === name).map(pod => as<Pod>(pod))
const APPS = '/apis/apps/v1/namespaces/default'

describe('a cluster', () => {
  test('starts with namespaces, the kubernetes Service, accounts and pod ranges', async () => {
    await settled()
    const { storage } = started.server
    expect(storage.list('namespaces').map(namespace => namespace.metadata.name)).toEqual(['default', 'kube-node-lease', 'kube-public', 'kube-system'])
    expect(storage.get('services', 'default/kubernetes')).toMatchObject({ spec: { clusterIPs: ['10.96.0.1', 'fd00:10:96::1'] } })
    expect(storage.list('endpointslices.discovery.k8s.io', 'default').map(slice => slice['endpoints'])).toMatchObject([[{ addresses: ['172.30.1.250'] }], [{ addresses: ['fd00:172:30:1::250'] }]])
    expect(storage.get('serviceaccounts', 'kube-system/default')).toBeDefined()
    expect(storage.get('configmaps', 'default/kube-root-ca.crt')?.['data']).toEqual({ 'ca.crt': started.server.ca })
    const ranges = storage.list('nodes').map(node => as<Node>(node).spec.podCIDRs)
    expect(ranges).toEqual([['10.244.0.0/24', 'fd00:10:244::/64'], ['10.244.1.0/24', 'fd00:10:244:1::/64'], ['10.244.2.0/24', 'fd00:10:244:2::/64']])
  })

  test('a Deployment runs, spreads, is replaced without a gap, and leaves nothing behind', async () => {
    await client.request('POST', `${APPS}/deployments`, { body: workload('Deployment', 'web', { replicas: 6 }) })
    await client.request('POST', '/api/v1/namespaces/default/services', { body: { metadata: { name: 'web' }, spec: { selector: { app: 'web' }, ipFamilyPolicy: 'PreferDualStack', ports: [{ port: 80, targetPort: 'http' }] } } })
    await settled()
    expect(Map.groupBy(podsOf('web'), pod => pod.spec.nodeName).values().map(pods => pods.length).toArray()).toEqual([2, 2, 2])
    const slices = started.server.storage.list('endpointslices.discovery.k8s.io', 'default').filter(slice => slice.metadata.labels?.['kubernetes.io/service-name'] === 'web')
    expect(slices.map(slice => [slice['addressType'], (slice['endpoints'] as unknown[]).length])).toEqual(expect.arrayContaining([['IPv4', 6], ['IPv6', 6]]))
    let least = 6
    const unsubscribe = started.server.storage.subscribe(() => {
      least = Math.min(least, podsOf('web').filter(pod => pod.metadata.deletionTimestamp === undefined && pod.status?.conditions?.some(condition => condition.type === 'Ready')).length)
    }, 'pods')
    await client.request('PATCH', `${APPS}/deployments/web`, { contentType: 'application/strategic-merge-patch+json', body: { spec: { template: { spec: { containers: [{ name: 'c', image: 'i:2' }] } } } } })
    await settled()
    unsubscribe()
    expect(podsOf('web').map(pod => pod.spec.containers[0]?.image)).toEqual(Array.from({ length: 6 }, () => 'i:2'))
    expect(least).toBeGreaterThanOrEqual(5)
    expect(await client.request('GET', `${APPS}/deployments/web`)).toMatchObject({ status: { replicas: 6, updatedReplicas: 6, availableReplicas: 6 } })
    const revision = (await client.request<KubeObject>('GET', '/api/v1/pods')).metadata.resourceVersion
    await settled()
    expect((await client.request<KubeObject>('GET', '/api/v1/pods')).metadata.resourceVersion).toBe(revision)
    await client.request('DELETE', `${APPS}/deployments/web`)
    await client.request('DELETE', '/api/v1/namespaces/default/services/web')
    await settled()
    expect(podsOf('web')).toEqual([])
    expect(started.server.storage.list('replicasets.apps')).toEqual([])
    expect(started.server.storage.list('endpointslices.discovery.k8s.io', 'default')).toHaveLength(2)
  })

  test('minReadySeconds: what has not been Ready for long is not available yet, and replaces nothing', async () => {
    const status = async (kind: string, name: string): Promise<unknown> => (await client.request<KubeObject>('GET', `${APPS}/${kind}/${name}`))['status']
    await client.request('POST', `${APPS}/deployments`, { body: workload('Deployment', 'slow', { replicas: 2, minReadySeconds: 3600 }) })
    await client.request('POST', `${APPS}/statefulsets`, { body: workload('StatefulSet', 'slow-set', { replicas: 2, minReadySeconds: 3600, serviceName: 'slow' }) })
    await client.request('POST', `${APPS}/daemonsets`, { body: workload('DaemonSet', 'slow-daemon', { minReadySeconds: 3600 }) })
    await settled()
    expect(await status('deployments', 'slow')).toMatchObject({ readyReplicas: 2, unavailableReplicas: 2, conditions: [{ type: 'Available', status: 'False' }, { type: 'Progressing', reason: 'ReplicaSetUpdated' }] })
    expect(await status('deployments', 'slow')).not.toHaveProperty('availableReplicas')
    // The second pod waits for the first.
    expect(await status('statefulsets', 'slow-set')).toMatchObject({ replicas: 1, readyReplicas: 1, availableReplicas: 0 })
    expect(await status('daemonsets', 'slow-daemon')).toMatchObject({ numberReady: 3, numberUnavailable: 3 })
    // Nothing wakes the controllers when the time has come but they themselves.
    for (const [kind, name] of [['deployments', 'slow'], ['statefulsets', 'slow-set'], ['daemonsets', 'slow-daemon']]) await client.request('PATCH', `${APPS}/${kind}/${name}`, { contentType: 'application/merge-patch+json', body: { spec: { minReadySeconds: 1 } } })
    await expect.poll(async () => [await status('deployments', 'slow'), await status('statefulsets', 'slow-set'), await status('daemonsets', 'slow-daemon')], { timeout: 20_000 }).toMatchObject([{ availableReplicas: 2 }, { availableReplicas: 2 }, { numberAvailable: 3 }])
    for (const [kind, name] of [['deployments', 'slow'], ['statefulsets', 'slow-set'], ['daemonsets', 'slow-daemon']]) await client.request('DELETE', `${APPS}/${kind}/${name}`)
    await settled()
  })

  test('a DaemonSet has a pod per node and follows nodes and templates', async () => {
    await client.request('POST', `${APPS}/daemonsets`, { body: workload('DaemonSet', 'agent') })
    await settled()
    expect(podsOf('agent').map(pod => pod.spec.nodeName ?? '').sort((a, b) => (a < b ? -1 : 1))).toEqual(['n1', 'n2', 'n3'])
    await client.request('POST', '/api/v1/nodes', { body: { metadata: { name: 'n4' } } })
    await client.request('PATCH', `${APPS}/daemonsets/agent`, { contentType: 'application/merge-patch+json', body: { spec: { template: { metadata: { annotations: { at: 'now' } } } } } })
    await settled()
    expect(podsOf('agent')).toHaveLength(4)
    expect(podsOf('agent').every(pod => pod.metadata.annotations?.['at'] === 'now')).toBe(true)
    await client.request('DELETE', '/api/v1/nodes/n4')
    await settled()
    expect(podsOf('agent')).toHaveLength(3)
    expect(await client.request('GET', `${APPS}/daemonsets/agent`)).toMatchObject({ status: { desiredNumberScheduled: 3, numberReady: 3, updatedNumberScheduled: 3 } })
    await client.request('DELETE', `${APPS}/daemonsets/agent`, { body: { propagationPolicy: 'Foreground' } })
    await settled()
    expect(podsOf('agent')).toEqual([])
    expect(started.server.storage.list('daemonsets.apps')).toEqual([])
  })

  test('a StatefulSet numbers its pods and keeps their names', async () => {
    await client.request('POST', `${APPS}/statefulsets`, { body: workload('StatefulSet', 'db', { replicas: 3, serviceName: 'db' }) })
    await settled()
    expect(podsOf('db').map(pod => [pod.metadata.name, pod.spec.hostname, pod.spec.subdomain])).toEqual([['db-0', 'db-0', 'db'], ['db-1', 'db-1', 'db'], ['db-2', 'db-2', 'db']])
    const { uid } = podsOf('db')[1]!.metadata
    await client.request('DELETE', '/api/v1/namespaces/default/pods/db-1')
    await settled()
    expect(podsOf('db').map(pod => pod.metadata.name)).toEqual(['db-0', 'db-1', 'db-2'])
    expect(podsOf('db')[1]!.metadata.uid).not.toBe(uid)
    await client.request('PATCH', `${APPS}/statefulsets/db/scale`, { contentType: 'application/merge-patch+json', body: { spec: { replicas: 1 } } })
    await settled()
    expect(podsOf('db').map(pod => pod.metadata.name)).toEqual(['db-0'])
    await client.request('DELETE', `${APPS}/statefulsets/db`, { body: { propagationPolicy: 'Orphan' } })
    await settled()
    expect(podsOf('db')[0]?.metadata.ownerReferences ?? []).toEqual([])
    await client.request('DELETE', '/api/v1/namespaces/default/pods/db-0')
  })

  test('a pod that no node fits waits, says why, and runs when a node comes', async () => {
    await client.request('POST', '/api/v1/namespaces/default/pods', { body: { metadata: { name: 'picky', labels: { app: 'picky' } }, spec: { nodeSelector: { name: 'n5' }, containers: [{ name: 'c', image: 'i' }] } } })
    await settled()
    expect(podsOf('picky')[0]?.status?.conditions).toMatchObject([{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable' }])
    await client.request('POST', '/api/v1/nodes', { body: { metadata: { name: 'n5', labels: { name: 'n5' } }, status: { conditions: [{ type: 'Ready', status: 'True' }] } } })
    await settled()
    expect(podsOf('picky')[0]?.spec.nodeName).toBe('n5')
    await client.request('DELETE', '/api/v1/nodes/n5')
  })

  test('a namespace goes after its contents', async () => {
    await client.request('POST', '/api/v1/namespaces', { body: { metadata: { name: 'gone' } } })
    await client.request('POST', '/apis/apps/v1/namespaces/gone/deployments', { body: workload('Deployment', 'd', { replicas: 3 }) })
    await client.request('POST', '/api/v1/namespaces/gone/configmaps', { body: { metadata: { name: 'held', finalizers: ['example.com/hold'] } } })
    await settled()
    await client.request('DELETE', '/api/v1/namespaces/gone')
    await settled()
    expect(started.server.storage.get('namespaces', 'gone')).toMatchObject({ status: { phase: 'Terminating' } })
    expect(podsOf('d', 'gone')).toEqual([])
    await client.request('PATCH', '/api/v1/namespaces/gone/configmaps/held', { contentType: 'application/merge-patch+json', body: { metadata: { finalizers: [] } } })
    await settled()
    expect(started.server.storage.get('namespaces', 'gone')).toBeUndefined()
  })
})

test('limits() rounds surge up and unavailability down, and never stands still', () => {
  expect(limits(undefined, 6)).toEqual({ surge: 2, unavailable: 1 })
  expect(limits({ maxSurge: 0, maxUnavailable: 0 }, 3)).toEqual({ surge: 0, unavailable: 1 })
  expect(limits({ maxSurge: '50%', maxUnavailable: 2 }, 3)).toEqual({ surge: 2, unavailable: 2 })
})

test('nthRange() walks both families together', () => {
  expect([0, 1, 255, 256].map(index => nthRange(parseCidr('10.244.0.0/16'), index, 24))).toEqual(['10.244.0.0/24', '10.244.1.0/24', '10.244.255.0/24', undefined])
  expect(nthRange(parseCidr('fd00:10:244::/56'), 255, 64)).toBe('fd00:10:244:ff::/64')
})

test('templateHash() does not depend on the order of members', () => {
  const containers = [{ name: 'c', image: 'i' }]
  expect(templateHash({ spec: { containers, hostname: 'h' } })).toBe(templateHash({ spec: { hostname: 'h', containers } }))
  expect(templateHash({ spec: { containers } })).not.toBe(templateHash({ spec: { containers: [{ name: 'c', image: 'j' }] } }))
})

test('chooseNode() heeds host ports, taints and readiness', () => {
  const meta = (name: string): Node['metadata'] => ({ name, uid: name, resourceVersion: '1', creationTimestamp: '' })
  const node = (name: string, spec: Node['spec'] = {}, ready: 'True' | 'False' = 'True'): Node => ({ metadata: meta(name), spec, status: { conditions: [{ type: 'Ready', status: ready }] } })
  const pod = (name: string, spec: Partial<Pod['spec']> = {}): Pod => ({ metadata: meta(name), spec: { containers: [{ name: 'c', image: 'i', ports: [{ containerPort: 80, hostPort: 80, protocol: 'TCP' }] }], ...spec } })
  const tainted = node('t', { taints: [{ key: 'k', effect: 'NoSchedule' }] })
  expect(chooseNode(pod('p'), [node('a', {}, 'False'), tainted, node('c', { unschedulable: true })], [])).toBeUndefined()
  expect(chooseNode(pod('p', { tolerations: [{ operator: 'Exists' }] }), [tainted], [])).toBe('t')
  expect(chooseNode(pod('p'), [node('a'), node('b')], [pod('q', { nodeName: 'a' })])).toBe('b')
  expect(chooseNode(pod('p'), [node('a')], [pod('q', { nodeName: 'a' })])).toBeUndefined()
})

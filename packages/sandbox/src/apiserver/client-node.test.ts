/* oxlint-disable typescript/no-unsafe-type-assertion -- answers are what the test says they are */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { CoreV1Api, CustomObjectsApi, KubeConfig, makeInformer, NetworkingV1Api, Watch, type V1ConfigMap, type V1NetworkPolicy } from '@kubernetes/client-node'
import { Store, reflect, type StoredObject } from '@weft/kube'
import { realClock } from '@weft/daemon'
import { silentLogger } from '@weft/daemon/testing'
import type { KubeObject } from './json.ts'
import { CONFIG_MAPS, configMap, makeDefaultNamespace, startServer } from './testing/start-server.ts'

test('@kubernetes/client-node lists, writes, watches and informs', async () => {
  await using started = await startServer()
  await makeDefaultNamespace(started.client)
  const config = new KubeConfig()
  started.server.writeKubeconfig(join(started.folder, 'kubeconfig'), started.url)
  config.loadFromFile(join(started.folder, 'kubeconfig'))
  const core = config.makeApiClient(CoreV1Api)
  await core.createNamespacedConfigMap({ namespace: 'default', body: { metadata: { name: 'a' }, data: { x: '1' } } })
  const list = await core.listNamespacedConfigMap({ namespace: 'default' })
  expect(list.items.map(item => item.metadata?.name)).toEqual(['a'])
  expect(list.items[0]?.metadata?.creationTimestamp).toBeInstanceOf(Date)

  const events: string[] = []
  const seen = Promise.withResolvers<void>()
  const request = await new Watch(config).watch(CONFIG_MAPS, { resourceVersion: list.metadata?.resourceVersion }, (type: string, object: V1ConfigMap) => {
    events.push(`${type} ${object.metadata?.name}`)
    if (events.length === 2) seen.resolve()
  }, () => undefined)
  const informer = makeInformer(config, CONFIG_MAPS, () => core.listNamespacedConfigMap({ namespace: 'default' }))
  const informed = Promise.withResolvers<void>()
  informer.on('add', object => object.metadata?.name === 'b' && informed.resolve())
  await informer.start()
  await core.createNamespacedConfigMap({ namespace: 'default', body: { metadata: { name: 'b' } } })
  await core.deleteNamespacedConfigMap({ namespace: 'default', name: 'a' })
  await Promise.all([seen.promise, informed.promise])
  expect(events).toEqual(['ADDED b', 'DELETED a'])
  request.abort()
  await informer.stop()
  await expect(config.makeApiClient(CustomObjectsApi).getClusterCustomObject({ group: 'a.b', version: 'v1', plural: 'c', name: 'd' })).rejects.toMatchObject({ code: 404 })
})

test('NP-67 a NetworkPolicy is created, read, listed, watched, patched and deleted, and keeps its endPort', async () => {
  await using started = await startServer()
  await makeDefaultNamespace(started.client)
  const config = new KubeConfig()
  started.server.writeKubeconfig(join(started.folder, 'kubeconfig'), started.url)
  config.loadFromFile(join(started.folder, 'kubeconfig'))
  const api = config.makeApiClient(NetworkingV1Api)
  const place = { namespace: 'default', name: 'ports' }
  const path = '/apis/networking.k8s.io/v1/namespaces/default/networkpolicies'
  const spec = { podSelector: { matchLabels: { app: 'db' } }, policyTypes: ['Egress'], egress: [{ ports: [{ protocol: 'TCP', port: 32_000, endPort: 32_768 }] }] }

  const before = await api.listNamespacedNetworkPolicy({ namespace: 'default' })
  const events: string[] = []
  const seen = Promise.withResolvers<void>()
  const request = await new Watch(config).watch(path, { resourceVersion: before.metadata?.resourceVersion }, (type: string, object: V1NetworkPolicy) => {
    events.push(`${type} ${object.metadata?.annotations?.['patched'] ?? ''}`)
    if (events.length === 3) seen.resolve()
  }, () => undefined)
  const created = await api.createNamespacedNetworkPolicy({ namespace: 'default', body: { metadata: { name: 'ports' }, spec } })
  expect(created).toMatchObject({ apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', spec })
  expect((await api.readNamespacedNetworkPolicy(place)).spec?.egress?.[0]?.ports?.[0]?.endPort).toBe(32_768)
  expect((await api.listNetworkPolicyForAllNamespaces()).items.map(({ metadata }) => metadata?.name)).toEqual(['ports'])
  const patch = [{ op: 'add', path: '/metadata/annotations', value: { patched: 'true' } }, { op: 'replace', path: '/spec/egress/0/ports/0/endPort', value: 32_100 }]
  expect((await api.patchNamespacedNetworkPolicy({ ...place, body: patch })).spec?.egress?.[0]?.ports?.[0]).toMatchObject({ port: 32_000, endPort: 32_100 })
  await api.deleteNamespacedNetworkPolicy(place)
  await expect(api.readNamespacedNetworkPolicy(place)).rejects.toMatchObject({ code: 404 })
  await seen.promise
  expect(events).toEqual(['ADDED ', 'MODIFIED true', 'DELETED true'])
  request.abort()
})

test('LIFE-5 reflect() of @weft/kube stays equal to the server through 410, garbage and a cut', async () => {
  await using started = await startServer()
  const { client, server } = started
  await makeDefaultNamespace(client)
  const store = new Store<StoredObject & { readonly data: unknown }>()
  const stop = new AbortController()
  const resource = {
    kind: 'ConfigMap', apiVersion: 'v1', name: 'configmaps', path: '/api/v1/configmaps',
    trim: (object: unknown) => {
      const { metadata, data } = object as KubeObject
      return { name: metadata.name, namespace: metadata.namespace, uid: metadata.uid, resourceVersion: metadata.resourceVersion, data }
    },
  }
  const running = reflect(client, resource, store, { clock: realClock, logger: silentLogger, signal: stop.signal })
  await store.whenSynced(stop.signal)
  const until = async (name: string): Promise<void> => {
    while (store.get(`default/${name}`) === undefined) await realClock.sleep(5)
  }
  await client.request('POST', CONFIG_MAPS, { body: configMap('a') })
  await until('a')
  server.faults.expireWatches()
  await client.request('POST', CONFIG_MAPS, { body: configMap('b') })
  await until('b')
  server.faults.set({ garbageLines: 1 })
  await client.request('POST', CONFIG_MAPS, { body: configMap('c') })
  await until('c')
  expect(store.size).toBe(3)
  stop.abort()
  await running
})

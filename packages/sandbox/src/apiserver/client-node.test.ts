/* oxlint-disable typescript/no-unsafe-type-assertion -- answers are what the test says they are */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { CoreV1Api, CustomObjectsApi, KubeConfig, makeInformer, Watch, type V1ConfigMap } from '@kubernetes/client-node'
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

import { statSync } from 'node:fs'
import { join } from 'node:path'
import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createKubeClient } from '@weft/kube'
import type { JsonObject, KubeObject } from './json.ts'
import { CONFIG_MAPS, configMap, failure, makeDefaultNamespace, pod, PODS, rawGet, startServer, type StartedServer } from './testing/start-server.ts'

let started: StartedServer

beforeAll(async () => {
  started = await startServer()
  await makeDefaultNamespace(started.client)
})
afterAll(async () => {
  await started[Symbol.asyncDispose]()
})

const get = (path: string, headers: Record<string, string> = {}): ReturnType<typeof rawGet> => rawGet(started, path, headers)

describe('createApiServer()', () => {
  test('answers health to strangers and nothing else', async () => {
    expect((await get('/healthz')).body).toBe('ok')
    expect((await get('/readyz')).status).toBe(200)
    for (const headers of [{}, { authorization: 'Bearer nonsense' }]) {
      const refused = await get('/api/v1/pods', headers)
      expect(refused.status).toBe(401)
      expect(JSON.parse(refused.body)).toMatchObject({ kind: 'Status', status: 'Failure', reason: 'Unauthorized', code: 401 })
    }
  })

  test('keeps its secrets to their owner', () => {
    expect(statSync(join(started.folder, 'credentials.json')).mode & 0o777).toBe(0o600)
    expect(statSync(join(started.folder, 'journal.jsonl')).mode & 0o777).toBe(0o600)
    started.server.writeKubeconfig(join(started.folder, 'kubeconfig'), started.url)
    expect(statSync(join(started.folder, 'kubeconfig')).mode & 0o777).toBe(0o600)
  })

  test('serves connections of a listener that someone else bound', async () => {
    const listener = createServer().listen(0, '127.0.0.1')
    const { port } = await started.server.serve(listener)
    const client = createKubeClient({ server: `https://127.0.0.1:${port}`, ca: started.server.ca, token: started.server.adminToken })
    expect(await client.request('GET', '/version')).toMatchObject({ major: '1' })
    await client[Symbol.asyncDispose]()
    listener.close()
  })

  test('knows a component by its token', async () => {
    const node = { name: 'system:node:n1', groups: ['system:masters'] }
    const token = started.server.tokenFor(node)
    expect(started.server.tokenFor({ ...node })).toBe(token)
    const review = await get('/api', { authorization: `Bearer ${token}` })
    expect(review.status).toBe(200)
  })

  test('answers 404 as a Status for paths and kinds it does not serve', async () => {
    for (const path of ['/nothing', '/api/v1/nothings', '/apis/apps/v2/deployments', '/apis/nope.io']) {
      expect(await failure(started.client.request('GET', path))).toMatchObject({ status: 404, reason: 'NotFound' })
    }
  })

  test('lists groups and resources, plain and aggregated', async () => {
    const groups = await started.client.request<{ groups: { name: string }[] }>('GET', '/apis')
    expect(groups.groups.map(group => group.name)).toContain('discovery.k8s.io')
    const core = await started.client.request<{ resources: { name: string, shortNames?: string[] }[] }>('GET', '/api/v1')
    expect(core.resources.find(resource => resource.name === 'pods')?.shortNames).toEqual(['po'])
    const authorization = `Bearer ${started.server.adminToken}`
    const aggregated = await get('/apis', { authorization, accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' })
    expect(JSON.parse(aggregated.body)).toMatchObject({ kind: 'APIGroupDiscoveryList' })
  })
})

describe('verbs', () => {
  test('create, get, update, delete', async () => {
    const created = await started.client.request<KubeObject>('POST', CONFIG_MAPS, { body: configMap('a', { x: '1' }) })
    expect(created).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', namespace: 'default' }, data: { x: '1' } })
    expect(created.metadata.uid).toMatch(/^[0-9a-f-]{36}$/u)
    const updated = await started.client.request<KubeObject>('PUT', `${CONFIG_MAPS}/a`, { body: { ...created, data: { x: '2' } } })
    expect(Number(updated.metadata.resourceVersion)).toBeGreaterThan(Number(created.metadata.resourceVersion))
    const stale = await failure(started.client.request('PUT', `${CONFIG_MAPS}/a`, { body: { ...created, data: { x: '3' } } }))
    expect(stale).toMatchObject({ status: 409, reason: 'Conflict' })
    expect(stale.message).toContain('the object has been modified; please apply your changes to the latest version and try again')
    const again = await started.client.request<KubeObject>('PUT', `${CONFIG_MAPS}/a`, { body: updated })
    expect(again.metadata.resourceVersion).toBe(updated.metadata.resourceVersion)
    expect(await started.client.request('DELETE', `${CONFIG_MAPS}/a`)).toMatchObject({ kind: 'Status', status: 'Success', details: { name: 'a', kind: 'configmaps', uid: created.metadata.uid } })
    expect(await failure(started.client.request('GET', `${CONFIG_MAPS}/a`))).toMatchObject({ status: 404, message: expect.stringContaining('configmaps "a" not found') })
  })

  test('create refuses what Kubernetes refuses', async () => {
    const refused = async (path: string, body: JsonObject): Promise<{ status: number, reason: string, message: string }> => failure(started.client.request('POST', path, { body }))
    expect(await refused(CONFIG_MAPS, {})).toMatchObject({ status: 422, reason: 'Invalid' })
    expect((await refused(CONFIG_MAPS, configMap('A_B'))).message).toContain('RFC 1123 subdomain')
    expect(await refused(CONFIG_MAPS, { ...configMap('k'), kind: 'Secret' })).toMatchObject({ status: 400 })
    expect(await refused(CONFIG_MAPS, { metadata: { name: 'k', namespace: 'other' } })).toMatchObject({ status: 400 })
    expect(await refused('/api/v1/namespaces/absent/configmaps', configMap('k'))).toMatchObject({ status: 404 })
    expect(await refused(CONFIG_MAPS, { metadata: { name: 'k', resourceVersion: '5' } })).toMatchObject({ status: 400 })
    expect((await refused(CONFIG_MAPS, { ...configMap('k'), data: { x: 1 } })).message).toContain('cannot unmarshal number into Go struct field data.x of type string')
    expect((await refused(PODS, { metadata: { name: 'p' }, spec: {} })).message).toContain('spec.containers: Required value')
  })

  test('create gives generated names and refuses taken ones', async () => {
    const one = await started.client.request<KubeObject>('POST', CONFIG_MAPS, { body: { metadata: { generateName: 'gen-' } } })
    expect(one.metadata.name).toMatch(/^gen-[a-z0-9]{5}$/u)
    expect(await failure(started.client.request('POST', CONFIG_MAPS, { body: configMap(one.metadata.name) }))).toMatchObject({ status: 409, reason: 'AlreadyExists' })
  })

  test('create drops unknown fields, or refuses them on request', async () => {
    const body = { ...configMap('unknown'), nonsense: 1 }
    expect((await failure(started.client.request('POST', CONFIG_MAPS, { body, query: { fieldValidation: 'Strict' } }))).message).toContain('strict decoding error: unknown field "nonsense"')
    expect(await started.client.request('POST', CONFIG_MAPS, { body })).not.toHaveProperty('nonsense')
  })

  test('a dry run writes nothing', async () => {
    expect(await started.client.request('POST', CONFIG_MAPS, { body: configMap('dry'), query: { dryRun: 'All' } })).toMatchObject({ metadata: { name: 'dry' } })
    expect(await failure(started.client.request('GET', `${CONFIG_MAPS}/dry`))).toMatchObject({ status: 404 })
  })

  test('status is written through its subresource only', async () => {
    const created = await started.client.request<KubeObject>('POST', PODS, { body: { ...pod('sub'), status: { phase: 'Running' } } })
    expect(created['status']).toMatchObject({ phase: 'Pending' })
    expect(created.metadata.generation).toBe(1)
    const ignored = await started.client.request<KubeObject>('PUT', `${PODS}/sub`, { body: { ...created, status: { phase: 'Failed' } } })
    expect(ignored['status']).toMatchObject({ phase: 'Pending' })
    const written = await started.client.request<KubeObject>('PUT', `${PODS}/sub/status`, { body: { ...created, spec: {}, status: { phase: 'Running' } } })
    expect(written).toMatchObject({ status: { phase: 'Running' }, spec: created['spec'], metadata: { generation: 1 } })
  })

  test('a pod with a node is marked first and removed with grace 0', async () => {
    await started.client.request('POST', PODS, { body: pod('graceful', { nodeName: 'n1', terminationGracePeriodSeconds: 7 }) })
    const marked = await started.client.request<KubeObject>('DELETE', `${PODS}/graceful`)
    expect(marked.metadata).toMatchObject({ deletionGracePeriodSeconds: 7, deletionTimestamp: expect.any(String) })
    const shortened = await started.client.request<KubeObject>('DELETE', `${PODS}/graceful`, { body: { gracePeriodSeconds: 2 } })
    expect(shortened.metadata.deletionGracePeriodSeconds).toBe(2)
    expect(await started.client.request('DELETE', `${PODS}/graceful`, { body: { gracePeriodSeconds: 0 } })).toMatchObject({ status: 'Success' })
  })

  test('finalizers hold an object until they are taken away', async () => {
    await started.client.request('POST', CONFIG_MAPS, { body: { metadata: { name: 'held', finalizers: ['example.com/hold'] } } })
    const marked = await started.client.request<KubeObject>('DELETE', `${CONFIG_MAPS}/held`)
    expect(marked.metadata.deletionTimestamp).toBeDefined()
    await started.client.request('PATCH', `${CONFIG_MAPS}/held`, { contentType: 'application/merge-patch+json', body: { metadata: { finalizers: null } } })
    expect(await failure(started.client.request('GET', `${CONFIG_MAPS}/held`))).toMatchObject({ status: 404 })
  })

  test('delete honours preconditions', async () => {
    await started.client.request('POST', CONFIG_MAPS, { body: configMap('guarded') })
    expect(await failure(started.client.request('DELETE', `${CONFIG_MAPS}/guarded`, { body: { preconditions: { uid: 'other' } } }))).toMatchObject({ status: 409 })
  })

  test('events are the same through both of their groups', async () => {
    const event = { metadata: { name: 'e1' }, regarding: { kind: 'Pod', namespace: 'default', name: 'p' }, reason: 'Why', note: 'because', type: 'Normal', reportingController: 'weft', action: 'a' }
    await started.client.request('POST', '/apis/events.k8s.io/v1/namespaces/default/events', { body: event })
    expect(await started.client.request('GET', '/api/v1/namespaces/default/events/e1')).toMatchObject({ apiVersion: 'v1', message: 'because', involvedObject: { name: 'p' } })
    expect(await started.client.request('GET', '/apis/events.k8s.io/v1/namespaces/default/events/e1')).toMatchObject({ apiVersion: 'events.k8s.io/v1', note: 'because' })
  })
})

describe('list', () => {
  test('selects by labels and fields', async () => {
    await started.client.request('POST', '/api/v1/namespaces', { body: { metadata: { name: 'selected' } } })
    const path = '/api/v1/namespaces/selected/pods'
    for (const [name, app, node] of [['a', 'web', 'n1'], ['b', 'web', 'n2'], ['c', 'db', 'n1']] as const) {
      await started.client.request('POST', path, { body: { ...pod(name, { nodeName: node }), metadata: { name, labels: { app } } } })
    }
    const names = async (query: Record<string, string>): Promise<string> => (await started.client.request<{ items: KubeObject[] }>('GET', path, { query })).items.map(item => item.metadata.name).join('')
    expect(await names({ labelSelector: 'app=web' })).toBe('ab')
    expect(await names({ labelSelector: 'app in (db, cache)' })).toBe('c')
    expect(await names({ labelSelector: 'app!=web,app' })).toBe('c')
    expect(await names({ fieldSelector: 'spec.nodeName=n1' })).toBe('ac')
    expect(await names({ fieldSelector: 'metadata.name!=a', labelSelector: 'app notin (db)' })).toBe('b')
    expect(await failure(names({ fieldSelector: 'spec.nonsense=1' }))).toMatchObject({ status: 400, message: expect.stringContaining('field label not supported: spec.nonsense') })
    expect(await failure(names({ labelSelector: 'a===b' }))).toMatchObject({ status: 400 })
  })

  test('pages stay as they were when the first was read', async () => {
    await started.client.request('POST', '/api/v1/namespaces', { body: { metadata: { name: 'paged' } } })
    const path = '/api/v1/namespaces/paged/configmaps'
    for (let index = 0; index < 5; index++) await started.client.request('POST', path, { body: configMap(`m${index}`) })
    type List = { metadata: { continue?: string, remainingItemCount?: number, resourceVersion: string }, items: KubeObject[] }
    const first = await started.client.request<List>('GET', path, { query: { limit: 2 } })
    expect(first.metadata.remainingItemCount).toBe(3)
    await started.client.request('DELETE', `${path}/m4`)
    const rest = await started.client.request<List>('GET', path, { query: { limit: 10, continue: first.metadata.continue } })
    expect(rest.items.map(item => item.metadata.name)).toEqual(['m2', 'm3', 'm4'])
    expect(rest.metadata.resourceVersion).toBe(first.metadata.resourceVersion)
    expect(await failure(started.client.request('GET', path, { query: { limit: 2, continue: 'old.2' } }))).toMatchObject({ status: 410, reason: 'Expired' })
    const future = Number(first.metadata.resourceVersion) + 1000
    expect(await failure(started.client.request('GET', path, { query: { resourceVersion: String(future) }, timeoutMs: 1000 }))).toMatchObject({ status: 504 })
  })

  test('items of built-in kinds carry no kind, as in Kubernetes', async () => {
    const list = await started.client.request<{ kind: string, items: JsonObject[] }>('GET', '/api/v1/namespaces/paged/configmaps')
    expect(list.kind).toBe('ConfigMapList')
    expect(list.items[0]).not.toHaveProperty('kind')
    expect(list.items[0]).toHaveProperty('metadata')
  })

  test('deletes collections by selector', async () => {
    const path = '/api/v1/namespaces/paged/configmaps'
    await started.client.request('POST', path, { body: configMap('keep', {}, { keep: 'yes' }) })
    await started.client.request('DELETE', path, { query: { labelSelector: '!keep' } })
    const left = await started.client.request<{ items: KubeObject[] }>('GET', path)
    expect(left.items.map(item => item.metadata.name)).toEqual(['keep'])
  })
})

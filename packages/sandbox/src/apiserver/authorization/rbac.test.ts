import { createKubeClient, type KubeClient } from '@weft/kube'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bootstrapBindings, bootstrapRoles } from '../../controllers/bootstrap-roles.ts'
import { configMap, CONFIG_MAPS, failure, makeDefaultNamespace, pod, PODS, rawGet, startServer, type StartedServer } from '../testing/start-server.ts'
import { serviceAccountUser, type User } from '../tls/credentials.ts'

const rbac = '/apis/rbac.authorization.k8s.io/v1'
const reader = serviceAccountUser('default', 'reader')

let started: StartedServer
const clients: KubeClient[] = []

/** The API as somebody else sees it. */
function as(user: User): KubeClient {
  const client = createKubeClient({ server: started.url, ca: started.server.ca, token: started.server.tokenFor(user) })
  clients.push(client)
  return client
}

async function grant(name: string, rules: readonly object[], subject: object, namespace?: string): Promise<void> {
  const base = namespace === undefined ? rbac : `${rbac}/namespaces/${namespace}`
  const [role, binding] = namespace === undefined ? ['ClusterRole', 'clusterrolebindings'] as const : ['Role', 'rolebindings'] as const
  await started.client.request('POST', `${base}/${role.toLowerCase()}s`, { body: { metadata: { name }, rules } })
  await started.client.request('POST', `${base}/${binding}`, { body: { metadata: { name }, roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: role, name }, subjects: [subject] } })
}

beforeAll(async () => {
  started = await startServer()
  await makeDefaultNamespace(started.client)
  for (const role of bootstrapRoles) await started.client.request('POST', `${rbac}/clusterroles`, { body: role })
  for (const binding of bootstrapBindings) await started.client.request('POST', `${rbac}/clusterrolebindings`, { body: binding })
  await grant('reader', [
    { apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'list', 'watch'] },
    { apiGroups: [''], resources: ['pods/log'], verbs: ['get'] },
    { apiGroups: ['coordination.k8s.io'], resources: ['leases'], resourceNames: ['mine'], verbs: ['get', 'update'] },
  ], { kind: 'ServiceAccount', name: 'reader', namespace: 'default' }, 'default')
})

afterAll(async () => {
  for (const client of clients) await client[Symbol.asyncDispose]()
  await started[Symbol.asyncDispose]()
})

describe('authorization over HTTP', () => {
  test('a token without a role may look at what the API has, and at nothing in it', async () => {
    const nobody = as(serviceAccountUser('default', 'nobody'))
    expect(await nobody.request('GET', '/version')).toMatchObject({ major: '1' })
    expect(await nobody.request('GET', '/apis')).toMatchObject({ kind: 'APIGroupList' })
    const refused = await failure(nobody.request('GET', PODS))
    expect(refused).toMatchObject({ status: 403, reason: 'Forbidden' })
    expect(refused.message).toContain('pods is forbidden: User "system:serviceaccount:default:nobody" cannot list resource "pods" in API group "" in the namespace "default"')
    expect((await failure(nobody.request('GET', '/api/v1/nodes'))).message).toContain('nodes is forbidden: User "system:serviceaccount:default:nobody" cannot list resource "nodes" in API group "" at the cluster scope')
    expect((await failure(nobody.request('GET', '/weft/audit'))).message).toContain('forbidden: User "system:serviceaccount:default:nobody" cannot get path "/weft/audit"')
  })

  test('a Role allows its verbs in its namespace only', async () => {
    const client = as(reader)
    await started.client.request('POST', CONFIG_MAPS, { body: configMap('seen') })
    expect(await client.request('GET', `${CONFIG_MAPS}/seen`)).toMatchObject({ kind: 'ConfigMap' })
    const refused = await failure(client.request('PATCH', `${CONFIG_MAPS}/seen`, { body: { data: {} }, contentType: 'application/merge-patch+json' }))
    expect(refused.message).toContain('configmaps "seen" is forbidden: User "system:serviceaccount:default:reader" cannot patch resource "configmaps" in API group "" in the namespace "default"')
    for (const [method, path] of [['GET', '/api/v1/configmaps'], ['GET', '/api/v1/namespaces/kube-system/configmaps'], ['DELETE', CONFIG_MAPS], ['POST', CONFIG_MAPS]] as const)
      expect(await failure(client.request(method, path, { body: method === 'POST' ? configMap('new') : undefined }))).toMatchObject({ status: 403 })
    await expect(started.client.request('GET', `${CONFIG_MAPS}/new`)).rejects.toMatchObject({ status: 404 })
  })

  test('a watch needs its own verb', async () => {
    await grant('lister', [{ apiGroups: [''], resources: ['services'], verbs: ['list'] }], { kind: 'User', name: 'lister' })
    const client = as({ name: 'lister', groups: ['system:authenticated'] })
    await client.request('GET', '/api/v1/services')
    const first = client.watch('/api/v1/services', { resourceVersion: '0' })[Symbol.asyncIterator]().next()
    expect((await failure(first)).message).toContain('cannot watch resource "services"')
  })

  test('resourceNames hold for one object, and a subresource is not its resource', async () => {
    const client = as(reader)
    const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases'
    expect(await failure(client.request('GET', `${leases}/mine`))).toMatchObject({ status: 404 })
    expect((await failure(client.request('GET', `${leases}/theirs`))).message).toContain('leases.coordination.k8s.io "theirs" is forbidden')
    expect(await failure(client.request('GET', leases))).toMatchObject({ status: 403 })
    await started.client.request('POST', PODS, { body: pod('p') })
    expect(await failure(client.request('GET', `${PODS}/p/log`))).toMatchObject({ status: 400 })
    expect((await failure(client.request('GET', `${PODS}/p/status`))).message).toContain('cannot get resource "pods/status"')
  })

  test('a binding counts as soon as it is written, and no longer than it is there', async () => {
    const client = as({ name: 'eve', groups: ['system:authenticated', 'auditors'] })
    expect(await failure(client.request('GET', '/api/v1/nodes'))).toMatchObject({ status: 403 })
    await grant('auditors', [{ apiGroups: ['*'], resources: ['*'], verbs: ['get', 'list'] }], { kind: 'Group', name: 'auditors', apiGroup: 'rbac.authorization.k8s.io' })
    await client.request('GET', '/api/v1/nodes')
    await started.client.request('DELETE', `${rbac}/clusterroles/auditors`)
    expect((await failure(client.request('GET', '/api/v1/nodes'))).message).toContain('at the cluster scope: RBAC: clusterrole.rbac.authorization.k8s.io "auditors" not found')
    await started.client.request('DELETE', `${rbac}/clusterrolebindings/auditors`)
    expect((await failure(client.request('GET', '/api/v1/nodes'))).message).not.toContain('RBAC')
  })

  test('reviews answer as the server would decide', async () => {
    const review = '/apis/authorization.k8s.io/v1'
    const ask = async (client: KubeClient, resourceAttributes: object): Promise<unknown> => (await client.request<{ status: { allowed: boolean } }>('POST', `${review}/selfsubjectaccessreviews`, { body: { spec: { resourceAttributes } } })).status.allowed
    const client = as(reader)
    expect(await ask(client, { namespace: 'default', verb: 'list', resource: 'configmaps' })).toBe(true)
    expect(await ask(client, { namespace: 'default', verb: 'get', resource: 'pods', subresource: 'log' })).toBe(true)
    expect(await ask(client, { namespace: 'other', verb: 'list', resource: 'configmaps' })).toBe(false)
    expect(await ask(started.client, { verb: 'delete', resource: 'nodes' })).toBe(true)
    const { status } = await started.client.request<{ status: object }>('POST', `${review}/subjectaccessreviews`, { body: { spec: { user: reader.name, resourceAttributes: { namespace: 'default', verb: 'get', resource: 'configmaps' } } } })
    expect(status).toEqual({ allowed: true, reason: 'RBAC: allowed by RoleBinding "reader/default" of Role "reader" to ServiceAccount "reader/default"' })
    expect(await failure(client.request('POST', `${review}/subjectaccessreviews`, { body: { spec: { user: 'admin' } } }))).toMatchObject({ status: 403 })
    const rules = await client.request<{ status: { resourceRules: readonly object[] } }>('POST', `${review}/selfsubjectrulesreviews`, { body: { spec: { namespace: 'default' } } })
    expect(rules.status.resourceRules).toContainEqual({ apiGroups: [''], resources: ['pods/log'], verbs: ['get'] })
  })

  test('only who may impersonate acts for others', async () => {
    const ask = async (token: string, name: string): Promise<number> => (await rawGet(started, CONFIG_MAPS, { 'authorization': `Bearer ${token}`, 'impersonate-user': name })).status
    expect(await ask(started.server.adminToken, reader.name)).toBe(200)
    expect(await ask(started.server.adminToken, 'stranger')).toBe(403)
    expect(await ask(started.server.tokenFor(reader), 'admin')).toBe(403)
  })

  test('the audit tells what each user did', async () => {
    const { entries } = await started.client.request<{ entries: readonly object[] }>('GET', '/weft/audit')
    expect(entries).toContainEqual({ user: reader.name, verb: 'patch', group: '', resource: 'configmaps', namespace: 'default', allowed: 0, refused: 1 })
  })
})

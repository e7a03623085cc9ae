import { readFileSync } from 'node:fs'
import { createKubeClient, type KubeClient } from '@weft/kube'
import { parseAllDocuments } from 'yaml'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CONFIG_MAPS, configMap, failure, makeDefaultNamespace, startServer, type StartedServer } from '../testing/start-server.ts'
import { mastersGroup } from '../authorization/rbac.ts'
import { serviceAccountUser } from '../tls/credentials.ts'
import { celValue, compileCel } from './cel.ts'

const registration = '/apis/admissionregistration.k8s.io/v1'
const ipBlocks = '/apis/weft.dev/v1alpha1/ipblocks'
const deploy = new URL('../../../../../deploy/', import.meta.url)

let started: StartedServer
const clients: KubeClient[] = []

/** An agent of a node; here with all rights, so that only policies refuse. */
function agentOf(node: string | undefined): KubeClient {
  const user = serviceAccountUser('kube-system', 'weft-agent', node)
  const client = createKubeClient({ server: started.url, ca: started.server.ca, token: started.server.tokenFor({ ...user, groups: [...user.groups, mastersGroup] }) })
  clients.push(client)
  return client
}

async function applyFile(file: string): Promise<void> {
  for (const document of parseAllDocuments(readFileSync(new URL(file, deploy), 'utf8'))) {
    const body = document.toJS() as { kind: string, apiVersion: string }
    await started.client.request('POST', `/apis/${body.apiVersion}/${body.kind === 'ValidatingAdmissionPolicy' ? 'validatingadmissionpolicies' : `${body.kind.toLowerCase()}s`}`, { body })
  }
}

async function addPolicy(name: string, spec: object, binding: object = {}): Promise<void> {
  await started.client.request('POST', `${registration}/validatingadmissionpolicies`, { body: { metadata: { name }, spec } })
  await started.client.request('POST', `${registration}/validatingadmissionpolicybindings`, { body: { metadata: { name }, spec: { policyName: name, validationActions: ['Deny'], ...binding } } })
}

const configMapRule = (operations: readonly string[]): object => ({ resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations, resources: ['configmaps'] }] })

beforeAll(async () => {
  started = await startServer()
  await makeDefaultNamespace(started.client)
  await applyFile('crds/weft.dev_ipblocks.yaml')
  await applyFile('admission.yaml')
  for (const name of ['n1', 'n2']) await started.client.request('POST', '/api/v1/nodes', { body: { metadata: { name } } })
})

afterAll(async () => {
  for (const client of clients) await client[Symbol.asyncDispose]()
  await started[Symbol.asyncDispose]()
})

const block = (name: string, node: string): object => ({ apiVersion: 'weft.dev/v1alpha1', kind: 'IPBlock', metadata: { name }, spec: { cidr: '10.1.0.0/26', pool: 'p', node } })
const condition = { status: { conditions: [{ type: 'NetworkUnavailable', status: 'False' }] } }
const patch = { body: condition, contentType: 'application/strategic-merge-patch+json' }

describe('deploy/admission.yaml', () => {
  test('an agent writes the status of its own node and of no other', async () => {
    const agent = agentOf('n1')
    await agent.request('PATCH', '/api/v1/nodes/n1/status', patch)
    const refused = await failure(agent.request('PATCH', '/api/v1/nodes/n2/status', patch))
    expect(refused).toMatchObject({ status: 403, reason: 'Forbidden' })
    expect(refused.message).toContain(`nodes "n2" is forbidden: ValidatingAdmissionPolicy 'weft-agent-node' with binding 'weft-agent-node' denied request: the agent of node "n1" writes only its own Node`)
    expect(await failure(agent.request('PATCH', '/api/v1/nodes/n2', { body: { metadata: { labels: { a: 'b' } } }, contentType: 'application/merge-patch+json' }))).toMatchObject({ status: 403 })
  })

  test('a token that names no node writes none', async () => {
    expect(await failure(agentOf(undefined).request('PATCH', '/api/v1/nodes/n1/status', patch))).toMatchObject({ status: 403 })
  })

  test('others are not concerned', async () => {
    expect(await started.client.request('PATCH', '/api/v1/nodes/n2/status', patch)).toMatchObject(condition)
  })

  test('an agent claims free blocks for itself, and takes none from others', async () => {
    const [first, second] = [agentOf('n1'), agentOf('n2')]
    expect((await failure(first.request('POST', ipBlocks, { body: block('foreign', 'n2') }))).message).toContain('the agent of node "n1" claims blocks for itself only')
    await first.request('POST', ipBlocks, { body: block('taken', 'n1') })
    expect((await failure(second.request('PUT', `${ipBlocks}/taken`, { body: block('taken', 'n2') }))).message).toContain('block "taken" belongs to node "n1"')
    await started.client.request('POST', ipBlocks, { body: block('free', '') })
    await second.request('PUT', `${ipBlocks}/free`, { body: block('free', 'n2') })
    // Nothing was written by those who were refused.
    const { items } = await started.client.request<{ items: { metadata: { name: string }, spec: { node: string } }[] }>('GET', ipBlocks)
    expect(items.map(({ metadata, spec }) => [metadata.name, spec.node])).toEqual([['free', 'n2'], ['taken', 'n1']])
  })
})

describe('validating admission policies', () => {
  test('see the object, the old one and what is asked; a binding puts them into force', async () => {
    const spec = {
      matchConstraints: configMapRule(['CREATE', 'UPDATE', 'DELETE']),
      matchConditions: [{ name: 'mine', expression: "request.name.startsWith('guarded')" }],
      variables: [{ name: 'size', expression: 'has(object.data) ? size(object.data) : 0' }, { name: 'never', expression: 'object.nothing.here' }],
      validations: [
        { expression: "request.operation == 'DELETE' || variables.size <= 2", message: 'at most two keys' },
        { expression: "request.operation != 'UPDATE' || object.data == oldObject.data || object.metadata.generation == 1", messageExpression: "'changed by ' + request.userInfo.username", reason: 'Forbidden' },
        { expression: "request.operation != 'DELETE'" },
      ],
    }
    await started.client.request('POST', `${registration}/validatingadmissionpolicies`, { body: { metadata: { name: 'guard' }, spec } })
    await started.client.request('POST', CONFIG_MAPS, { body: configMap('guarded-before', { a: '1', b: '2', c: '3' }) })
    await started.client.request('POST', `${registration}/validatingadmissionpolicybindings`, { body: { metadata: { name: 'guard' }, spec: { policyName: 'guard', validationActions: ['Deny'] } } })
    const refused = await failure(started.client.request('POST', CONFIG_MAPS, { body: configMap('guarded', { a: '1', b: '2', c: '3' }) }))
    expect(refused).toMatchObject({ status: 422, reason: 'Invalid' })
    expect(refused.message).toContain(`configmaps "guarded" is forbidden: ValidatingAdmissionPolicy 'guard' with binding 'guard' denied request: at most two keys`)
    await started.client.request('POST', CONFIG_MAPS, { body: configMap('guarded', { a: '1' }) })
    // A field that is not there is an error, and an error refuses.
    const changed = await failure(started.client.request('PUT', `${CONFIG_MAPS}/guarded`, { body: configMap('guarded', { a: '2' }) }))
    expect(changed).toMatchObject({ status: 422 })
    expect(changed.message).toContain('expression resulted in error: No such key: generation')
    expect((await failure(started.client.request('DELETE', `${CONFIG_MAPS}/guarded`))).message).toContain("denied request: failed expression: request.operation != 'DELETE'")
    await started.client.request('POST', CONFIG_MAPS, { body: configMap('other', { a: '1', b: '2', c: '3' }) })
  })

  test('dry runs are judged too, and Ignore lets pass what cannot be judged', async () => {
    await addPolicy('soft', { failurePolicy: 'Ignore', matchConstraints: configMapRule(['CREATE']), validations: [{ expression: "object.metadata.labels['soft'] != 'no'" }] })
    await started.client.request('POST', CONFIG_MAPS, { body: configMap('no-labels') })
    expect(await failure(started.client.request('POST', CONFIG_MAPS, { body: configMap('soft', {}, { soft: 'no' }), query: { dryRun: 'All' } }))).toMatchObject({ status: 422 })
  })

  test.each([
    ['syntax', { validations: [{ expression: 'object.spec.(' }] }, 'spec.validations[0].expression'],
    ['an unknown name', { validations: [{ expression: 'params.x == 1' }] }, 'Unknown variable: params'],
    ['an unknown function', { validations: [{ expression: "authorizer.group('')" }] }, 'Unknown variable: authorizer'],
    ['another type', { validations: [{ expression: "'yes'" }] }, 'it gives string, wanted bool'],
    ['parameters', { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' }, validations: [{ expression: 'true' }] }, 'spec.paramKind'],
    ['a selector', { matchConstraints: { ...configMapRule(['CREATE']), objectSelector: { matchLabels: { a: 'b' } } }, validations: [{ expression: 'true' }] }, 'spec.matchConstraints.objectSelector'],
  ])('what is not known here is refused, not skipped: %s', async (_what, spec, message) => {
    const refused = await failure(started.client.request('POST', `${registration}/validatingadmissionpolicies`, { body: { metadata: { name: 'bad' }, spec: { matchConstraints: configMapRule(['CREATE']), ...spec } } }))
    expect(refused).toMatchObject({ status: 422 })
    expect(refused.message).toContain(message)
  })
})

describe('compileCel()', () => {
  test('numbers without a fraction are integers, as in Kubernetes', () => {
    const values = { object: celValue({ replicas: 3, share: 0.5 }), oldObject: null, request: null, namespaceObject: null, variables: {} }
    expect(compileCel('object.replicas + 1 == 4 && object.share < 1.0', 'bool').evaluate(values)).toBe(true)
    expect(() => compileCel('object.replicas / 0').evaluate(values)).toThrow(/division by zero/i)
  })
})

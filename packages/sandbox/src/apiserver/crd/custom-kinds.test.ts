import { expect, test } from 'vitest'
import { ipPoolResource } from '@weft/api'
import type { JsonObject, KubeObject } from '../json.ts'
import { failure, startServer } from '../testing/start-server.ts'
import { valuesAt } from './json-path.ts'

const definition = (schema: JsonObject): JsonObject => ({
  metadata: { name: 'widgets.example.com' },
  spec: {
    group: 'example.com', scope: 'Cluster', names: { kind: 'Widget', plural: 'widgets' },
    versions: [
      { name: 'v1', served: true, storage: true, subresources: { status: {} }, schema: { openAPIV3Schema: { type: 'object', properties: { spec: schema, status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } } } } },
      { name: 'v1beta1', served: true, storage: false, schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } } },
    ],
  },
})
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
const WIDGETS = '/apis/example.com/v1/widgets'
const spec: JsonObject = {
  type: 'object', required: ['size'],
  properties: {
    size: { type: 'integer', minimum: 1 }, mode: { type: 'string', enum: ['a', 'b'], default: 'a' }, name: { type: 'string', pattern: '^[a-z]+$', maxLength: 3 }, cidr: { type: 'string', format: 'ipv4' },
    list: { type: 'array', maxItems: 2, 'x-kubernetes-list-type': 'set', items: { type: 'string' } }, port: { 'x-kubernetes-int-or-string': true }, fixed: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self == oldSelf', message: 'stays' }] },
  },
}

test('custom resources are served at once, validated, defaulted, pruned, and go with their definition', async () => {
  await using started = await startServer()
  const { client, server } = started
  const created = await client.request<KubeObject>('POST', DEFINITIONS, { body: definition(spec) })
  expect(created['status']).toMatchObject({ conditions: expect.arrayContaining([expect.objectContaining({ type: 'Established', status: 'True' })]) })
  const widget = await client.request<KubeObject>('POST', WIDGETS, { body: { metadata: { name: 'one' }, spec: { size: 2, fixed: 'x', port: 'http', unknown: 1 }, status: { no: 1 } } })
  expect(widget).toMatchObject({ apiVersion: 'example.com/v1', kind: 'Widget', spec: { size: 2, mode: 'a', fixed: 'x', port: 'http' } })
  expect(widget['spec']).not.toHaveProperty('unknown')
  expect(widget).not.toHaveProperty('status')
  const messages: readonly (readonly [JsonObject, string])[] = [
    [{}, 'spec.size: Required value'],
    [{ size: 'x' }, 'spec.size in body must be of type integer: "string"'],
    [{ size: 0 }, 'spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1'],
    [{ size: 1, mode: 'c' }, 'spec.mode: Unsupported value: "c": supported values: "a", "b"'],
    [{ size: 1, name: 'A' }, "spec.name in body should match '^[a-z]+$'"],
    [{ size: 1, name: 'abcd' }, 'spec.name: Too long'],
    [{ size: 1, cidr: 'x' }, 'spec.cidr in body must be of type ipv4: "x"'],
    [{ size: 1, list: ['a', 'a'] }, 'spec.list[1]: Duplicate value: "a"'],
    [{ size: 1, list: ['a', 'b', 'c'] }, 'spec.list: Too many: 3: must have at most 2 items'],
    [{ size: 1, port: true }, 'spec.port in body must be of type integer,string'],
  ]
  for (const [bad, message] of messages) {
    expect(await failure(client.request('POST', WIDGETS, { body: { metadata: { name: 'bad' }, spec: bad } }))).toMatchObject({ status: 422, message: expect.stringContaining(message) })
  }
  expect((await failure(client.request('PUT', `${WIDGETS}/one`, { body: { ...widget, spec: { size: 2, fixed: 'y' } } }))).message).toContain('spec.fixed: Invalid value: "y": stays')
  await client.request('PATCH', `${WIDGETS}/one/status`, { contentType: 'application/merge-patch+json', body: { status: { ready: true }, spec: { size: 9 } } })
  expect(await client.request('GET', '/apis/example.com/v1beta1/widgets/one')).toMatchObject({ apiVersion: 'example.com/v1beta1', spec: { size: 2 }, status: { ready: true } })
  expect(await failure(client.request('PATCH', `${WIDGETS}/one`, { contentType: 'application/strategic-merge-patch+json', body: {} }))).toMatchObject({ status: 415 })
  expect(server.storage.list('widgets.example.com')).toHaveLength(1)
  const marked = await client.request<KubeObject>('DELETE', `${DEFINITIONS}/widgets.example.com`)
  expect(marked.metadata.finalizers).toEqual(['customresourcecleanup.apiextensions.k8s.io'])
})

test('definitions that are not structural are refused', async () => {
  await using started = await startServer()
  const refused = async (schema: JsonObject): Promise<string> => (await failure(started.client.request('POST', DEFINITIONS, { body: definition(schema) }))).message
  expect(await refused({})).toContain('properties[spec].type: Required value')
  expect(await refused({ type: 'object', properties: {}, additionalProperties: { type: 'string' } })).toContain('mutual exclusive')
  expect(await refused({ type: 'array' })).toContain('items: Required value')
})

test("Weft's own resources are taken and served again after a restart", async () => {
  const started = await startServer()
  await started.client.request('POST', DEFINITIONS, { body: ipPoolResource.definition })
  await started.server.close()
  await using again = await startServer({ folder: started.folder })
  expect(await again.client.request('GET', ipPoolResource.path)).toMatchObject({ kind: 'IPPoolList', items: [] })
  await started[Symbol.asyncDispose]()
})

test('valuesAt() reads the paths of printer columns', () => {
  const object = { a: { 'b.c': 1, list: [{ type: 'Ready', status: 'True' }, { type: 'Other', status: 'False' }] } }
  expect(valuesAt(object, '.a.list[*].type')).toEqual(['Ready', 'Other'])
  expect(valuesAt(object, '.a.list[?(@.type=="Ready")].status')).toEqual(['True'])
  expect(valuesAt(object, '.a.list[-1].type')).toEqual(['Other'])
  expect(valuesAt(object, String.raw`.a.b\.c`)).toEqual([1])
  expect(valuesAt(object, '.nope.x')).toEqual([])
})

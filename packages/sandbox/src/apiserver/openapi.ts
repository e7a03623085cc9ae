// kubectl reads this to learn whether the server validates fields itself (the `fieldValidation` parameter of PATCH), and for `explain`.
import { asObject, type JsonObject } from './json.ts'
import type { Kind } from './kind.ts'
import type { KindRegistry } from './registry.ts'
import { messageNameOf } from './schema/message.ts'
import { messageSchemas } from './schema/openapi-schema.ts'

/**
 * The OpenAPI v3 document at a path: the index, or one group and version.
 *
 * @returns undefined when none lives there.
 */
export function openApiAt(registry: KindRegistry, path: string): JsonObject | undefined {
  if (path === '/openapi/v3') {
    const names = [...registry.groups()].flatMap(([group, versions]) => versions.map(version => documentName(group, version)))
    return { paths: Object.fromEntries(names.map(name => [name, { serverRelativeURL: `/openapi/v3/${name}?hash=${registry.generation}` }])) }
  }
  if (!path.startsWith('/openapi/v3/')) return undefined
  const name = path.slice('/openapi/v3/'.length)
  const kinds = registry.all().filter(kind => documentName(kind.group, kind.version) === name)
  if (kinds.length === 0) return undefined
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: 'v1.36.0' },
    paths: Object.fromEntries(kinds.map(kind => [pathOf(kind), pathItem(kind)])),
    components: { schemas: { ...messageSchemas(kinds.filter(kind => kind.schema === undefined).map(messageNameOf)), ...Object.fromEntries(kinds.map(kind => [schemaName(kind), schemaOf(kind)])) } },
  }
}

function documentName(group: string, version: string): string {
  return group === '' ? `api/${version}` : `apis/${group}/${version}`
}

function pathOf(kind: Kind): string {
  const namespace = kind.namespaced ? '/namespaces/{namespace}' : ''
  return `/${documentName(kind.group, kind.version)}${namespace}/${kind.resource}/{name}`
}

function identity(kind: Kind): JsonObject {
  return { group: kind.group, version: kind.version, kind: kind.kind }
}

function schemaName(kind: Kind): string {
  return `${kind.group === '' ? 'core' : kind.group}.${kind.version}.${kind.kind}`
}

function schemaOf(kind: Kind): JsonObject {
  const schema = kind.schema ?? { properties: { apiVersion: { type: 'string' }, kind: { type: 'string' }, ...asObject(messageSchemas([messageNameOf(kind)])[messageNameOf(kind)]!['properties']) } }
  return { type: 'object', ...schema, 'x-kubernetes-group-version-kind': [identity(kind)] }
}

function pathItem(kind: Kind): JsonObject {
  const parameter = (name: string): JsonObject => ({ name, in: 'query', schema: { type: 'string', uniqueItems: true } })
  const content = { 'application/json': { schema: { $ref: `#/components/schemas/${schemaName(kind)}` } } }
  const parameters = ['dryRun', 'fieldManager', 'fieldValidation', 'force', 'pretty'].map(parameter)
  const responses = { 200: { description: 'OK', content } }
  const operation = (action: string): JsonObject => ({ 'x-kubernetes-action': action, 'x-kubernetes-group-version-kind': identity(kind), parameters, responses })
  return {
    get: operation('get'),
    put: { ...operation('put'), requestBody: { content } },
    // Strategic patches are not listed: kubectl then computes them from its own Go types, which know every merge key.
    patch: { ...operation('patch'), requestBody: { content: { 'application/merge-patch+json': {}, 'application/json-patch+json': {}, 'application/apply-patch+yaml': {} } } },
    delete: operation('delete'),
  }
}

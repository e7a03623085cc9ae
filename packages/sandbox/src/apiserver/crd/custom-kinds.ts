import { asArray, asNumber, asObject, asText, objectsIn, wordOf, type Json, type JsonObject, type KubeObject } from '../json.ts'
import type { Kind, Subresource } from '../kind.ts'
import type { KindRegistry } from '../registry.ts'
import { conform } from '../schema/conform.ts'
import type { ObjectStore } from '../store.ts'
import { age } from '../table/age.ts'
import type { Column } from '../table/column.ts'
import { versionsOf } from './definition.ts'
import { valuesAt } from './json-path.ts'
import { applySchemaDefaults, prune, schemaFaults } from './structural-schema.ts'

export const DEFINITIONS = 'customresourcedefinitions.apiextensions.k8s.io'
const TOP_LEVEL: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'metadata'])

/** Serves the custom resources of every definition in the store, now and as definitions come, change and go. */
export function followDefinitions(store: ObjectStore, registry: KindRegistry): void {
  const served = new Map<string, readonly Kind[]>()
  const serve = (definition: KubeObject): void => {
    withdraw(definition.metadata.name)
    const kinds = kindsOf(definition)
    for (const kind of kinds) registry.add(kind)
    served.set(definition.metadata.name, kinds)
  }
  const withdraw = (name: string): void => {
    for (const kind of served.get(name) ?? []) registry.remove(kind)
    served.delete(name)
  }
  for (const { object } of store.list(DEFINITIONS)) serve(object)
  store.subscribe(({ kind, now }) => (kind === 'deleted' ? withdraw(now.object.metadata.name) : serve(now.object)), DEFINITIONS)
}

/** One kind per served version; the storage version's form is kept, others differ in apiVersion only. */
function kindsOf(definition: KubeObject): Kind[] {
  const storageVersion = asText(versionsOf(definition).find(version => version['storage'] === true)?.['name']) ?? ''
  return versionsOf(definition).filter(version => version['served'] === true).map(version => kindOf(definition, version, storageVersion))
}

function kindOf(definition: KubeObject, version: JsonObject, storageVersion: string): Kind {
  const spec = asObject(definition['spec'])!
  const names = asObject(spec['names'])!
  const group = asText(spec['group'])!
  const name = asText(version['name'])!
  const schema = asObject(asObject(version['schema'])?.['openAPIV3Schema']) ?? { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
  const subresources = new Set<Subresource>()
  if (asObject(version['subresources'])?.['status'] !== undefined) subresources.add('status')
  const scale = asObject(asObject(version['subresources'])?.['scale'])
  if (scale !== undefined) subresources.add('scale')
  const rename = (apiVersion: string) => (object: KubeObject): KubeObject => ({ ...object, apiVersion })
  const isStorage = name === storageVersion
  return {
    group, version: name, kind: asText(names['kind'])!, resource: asText(names['plural'])!, singular: asText(names['singular'])!,
    namespaced: spec['scope'] === 'Namespaced',
    shortNames: asArray(names['shortNames']).map(String), categories: asArray(names['categories']).map(String),
    subresources, storage: `${asText(names['plural'])}.${group}`, strategic: false, schema,
    ...(isStorage ? {} : { fromStorage: rename(`${group}/${name}`), toStorage: rename(`${group}/${storageVersion}`) }),
    selectableFields: objectsIn(version['selectableFields']).map(field => (asText(field['jsonPath']) ?? '').slice(1)),
    scalePaths: scale === undefined ? undefined : { spec: pathText(scale['specReplicasPath']), status: pathText(scale['statusReplicasPath']), selector: pathText(scale['labelSelectorPath']) },
    conform: object => conformCustom(object, schema),
    applyDefaults: object => applySchemaDefaults(object, schema),
    validate: (object, old) => schemaFaults(withoutMetadata(object), { ...schema, required: asArray(schema['required']).filter(field => !TOP_LEVEL.has(wordOf(field))) }, '', old === undefined ? undefined : withoutMetadata(old)),
    columns: columnsOf(version),
  }
}

function pathText(value: Json | undefined): string {
  return (asText(value) ?? '').replace(/^\./u, '')
}

function withoutMetadata(object: KubeObject): JsonObject {
  const { apiVersion: _apiVersion, kind: _kind, metadata: _metadata, ...rest } = object
  return rest
}

function conformCustom(object: KubeObject, schema: JsonObject): string[] {
  const { metadata } = object
  const unknown = conform(metadata, 'meta.ObjectMeta', { kind: object.kind, version: object.apiVersion })
  return [...unknown.map(path => `metadata.${path}`), ...prune(object, schema, '', TOP_LEVEL)]
}

function columnsOf(version: JsonObject): readonly Column[] {
  const name: Column = { name: 'Name', type: 'string', format: 'name', cell: object => object.metadata.name }
  const given = objectsIn(version['additionalPrinterColumns'])
  if (given.length === 0) return [name, { name: 'Age', type: 'date', cell: (object, now) => age(object.metadata.creationTimestamp, now) }]
  return [name, ...given.map(column => printerColumn(column))]
}

const COLUMN_TYPES = ['string', 'integer', 'number', 'boolean', 'date'] as const

function printerColumn(given: JsonObject): Column {
  const type = COLUMN_TYPES.find(known => known === given['type']) ?? 'string'
  const path = asText(given['jsonPath']) ?? ''
  return {
    name: asText(given['name']) ?? '', type: type === 'date' ? 'string' : type, format: asText(given['format']), description: asText(given['description']),
    priority: (asNumber(given['priority']) ?? 0) > 0 ? 1 : 0,
    cell: (object, now) => {
      const values = valuesAt(object, path)
      const [first] = values
      if (first === undefined || first === null) return type === 'date' ? '<unknown>' : type === 'string' ? '' : null
      if (type === 'date') return age(wordOf(first), now)
      if (type !== 'string') return first
      return values.map(wordOf).join(',')
    },
  }
}

import { asArray, asObject, asText, objectsIn, type JsonObject, type KubeObject } from '../json.ts'
import type { Cause } from '../status.ts'
import { timestamp } from '../verbs/context.ts'
import { invalidValue, notSupported, required } from '../validation/field.ts'

/** Holds a definition back until its objects are gone. */
export const CLEANUP_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io'

/** Fills a definition. It is established at once: nothing has to be negotiated in a server of one process. */
export function defaultDefinition(object: KubeObject, old: KubeObject | undefined, now: Date): void {
  const spec = asObject(object['spec'])
  const names = asObject(spec?.['names'])
  if (spec === undefined || names === undefined) return
  const kind = asText(names['kind']) ?? ''
  names['singular'] ??= kind.toLowerCase()
  names['listKind'] ??= `${kind}List`
  spec['conversion'] ??= { strategy: 'None' }
  if (old === undefined) object.metadata.finalizers = [...new Set([...(object.metadata.finalizers ?? []), CLEANUP_FINALIZER])]
  const lastTransitionTime = asText(objectsIn(asObject(old?.['status'])?.['conditions'])[0]?.['lastTransitionTime']) ?? timestamp(now)
  const stored = versionsOf(object).find(version => version['storage'] === true)?.['name'] ?? ''
  const before = asArray(asObject(old?.['status'])?.['storedVersions'])
  object['status'] = {
    acceptedNames: { ...names },
    conditions: [
      { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found', lastTransitionTime },
      { type: 'Established', status: 'True', reason: 'InitialNamesAccepted', message: 'the initial names have been accepted', lastTransitionTime },
    ],
    storedVersions: [...new Set([...before, stored])],
  }
}

/** The versions of a definition. */
export function versionsOf(definition: KubeObject): readonly JsonObject[] {
  return objectsIn(asObject(definition['spec'])?.['versions'])
}

/** Faults of a CustomResourceDefinition. */
export function validateDefinition(object: KubeObject, old: KubeObject | undefined): Cause[] {
  const spec = asObject(object['spec'])
  if (spec === undefined) return [required('spec')]
  const causes: Cause[] = []
  const names = asObject(spec['names']) ?? {}
  for (const name of ['plural', 'kind']) if (asText(names[name]) === undefined) causes.push(required(`spec.names.${name}`))
  const group = asText(spec['group'])
  if (group === undefined) causes.push(required('spec.group'))
  else if (!group.includes('.')) causes.push(invalidValue('spec.group', group, 'should be a domain with at least one dot'))
  const scopes = ['Cluster', 'Namespaced']
  if (!scopes.includes(asText(spec['scope']) ?? '')) causes.push(notSupported('spec.scope', spec['scope'], scopes))
  const expected = `${asText(names['plural'])}.${group}`
  if (object.metadata.name !== expected) causes.push(invalidValue('metadata.name', object.metadata.name, 'must be spec.names.plural+"."+spec.group'))
  const versions = versionsOf(object)
  if (versions.filter(version => version['storage'] === true).length !== 1) causes.push(invalidValue('spec.versions', [...versions] as JsonObject[], 'must have exactly one version marked as storage version'))
  for (const [index, version] of versions.entries()) {
    const at = `spec.versions[${index}]`
    if (!/^[a-z]([-a-z0-9]*[a-z0-9])?$/u.test(asText(version['name']) ?? '')) causes.push(invalidValue(`${at}.name`, version['name'], 'must be a DNS-1035 label'))
    const schema = asObject(asObject(version['schema'])?.['openAPIV3Schema'])
    if (schema === undefined) causes.push(required(`${at}.schema.openAPIV3Schema`, 'schemas are required'))
    else causes.push(...structuralFaults(schema, `${at}.schema.openAPIV3Schema`, true))
  }
  for (const name of ['group', 'scope'] as const) {
    const before = asObject(old?.['spec'])?.[name]
    if (before !== undefined && before !== spec[name]) causes.push(invalidValue(`spec.${name}`, spec[name], 'field is immutable'))
  }
  return causes
}

/** What makes a schema not structural, so that Kubernetes would refuse it. */
function structuralFaults(schema: JsonObject, field: string, isRoot: boolean): Cause[] {
  const causes: Cause[] = []
  const type = asText(schema['type'])
  if (type === undefined && schema['x-kubernetes-int-or-string'] !== true && schema['x-kubernetes-preserve-unknown-fields'] !== true) causes.push(required(`${field}.type`, `must not be empty for specified ${isRoot ? 'root' : 'object'} fields`))
  if (isRoot && type !== undefined && type !== 'object') causes.push(invalidValue(`${field}.type`, type, 'must be object at the root'))
  if (schema['properties'] !== undefined && schema['additionalProperties'] !== undefined) causes.push({ reason: 'FieldValueForbidden', message: 'Forbidden: additionalProperties and properties are mutual exclusive', field: `${field}.additionalProperties` })
  for (const [name, part] of Object.entries(asObject(schema['properties']) ?? {})) {
    if (isRoot && name === 'metadata') continue
    causes.push(...structuralFaults(asObject(part) ?? {}, `${field}.properties[${name}]`, false))
  }
  const items = asObject(schema['items'])
  if (items !== undefined) causes.push(...structuralFaults(items, `${field}.items`, false))
  else if (type === 'array') causes.push(required(`${field}.items`, 'must be specified'))
  const additional = asObject(schema['additionalProperties'])
  if (additional !== undefined) causes.push(...structuralFaults(additional, `${field}.additionalProperties`, false))
  return causes
}

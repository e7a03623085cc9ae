// Read first: https://kubernetes.io/docs/reference/using-api/server-side-apply/
import { asKubeObject, asObject, asText, objectsIn, type JsonObject, type KubeObject } from '../json.ts'
import { apiVersionOf, keyOf, type Kind } from '../kind.ts'
import { conflicts, fieldsOf, overlay, subtract, union, without, type FieldSet } from '../patch/field-set.ts'
import { messageShape, schemaShape, type Shape } from '../patch/shape.ts'
import { messageNameOf } from '../schema/message.ts'
import { ApiError, badRequest } from '../status.ts'
import type { Stored } from '../stored.ts'
import { timestamp, type VerbContext, type WriteOptions } from './context.ts'
import { createObject } from './create.ts'
import { updateObject, type Target } from './update.ts'

/**
 * Server-side apply. Only appliers own fields here: what others write by update or patch has no owner, so it is never a
 * conflict, and applying over it takes it.
 *
 * @returns The object, and whether it is new.
 * @throws {ApiError} 409 when another applier owns a field that would change and `force` is not given.
 */
export function applyObject(context: VerbContext, target: Target, config: JsonObject, options: WriteOptions & { force: boolean }): { item: Stored, created: boolean } {
  const manager = options.fieldManager
  if (manager === undefined || manager === '') throw badRequest('PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch')
  const { kind } = target
  if (asText(config['apiVersion']) !== apiVersionOf(kind) || asText(config['kind']) !== kind.kind) throw badRequest(`an apply patch must name apiVersion ${apiVersionOf(kind)} and kind ${kind.kind}`)
  if (asObject(config['metadata'])?.['managedFields'] !== undefined) throw badRequest('metadata.managedFields must be nil')
  const shape = kind.schema === undefined ? messageShape(messageNameOf(kind)) : customShape(kind)
  const wanted = owned(config)
  const set = fieldsOf(wanted, shape)
  const entry = (fields: FieldSet): JsonObject => ({
    manager, operation: 'Apply', apiVersion: apiVersionOf(kind), time: timestamp(context.wallTime()), fieldsType: 'FieldsV1', fieldsV1: fields,
    ...(options.subresource === undefined ? {} : { subresource: options.subresource }),
  })
  const stored = context.store.get(kind.storage, keyOf(target.namespace, target.name))
  if (stored === undefined) {
    const metadata = { ...asObject(config['metadata']), name: target.name, managedFields: [entry(set)] }
    return { item: createObject(context, target, { ...config, metadata }, options), created: true }
  }
  const live = kind.fromStorage?.(stored.object) ?? stored.object
  const entries = objectsIn(live.metadata['managedFields'])
  const isMine = (candidate: JsonObject): boolean => candidate['manager'] === manager && candidate['operation'] === 'Apply' && candidate['subresource'] === entry({})['subresource']
  const mine = entries.find(isMine)
  const others = entries.filter(candidate => !isMine(candidate))
  if (!options.force) refuseConflicts(set, others, { live, wanted, shape })
  const theirs = others.map(other => ({ ...other, fieldsV1: options.force ? subtract(asObject(other['fieldsV1']) ?? {}, set) : (other['fieldsV1'] ?? {}) }))
  const kept = theirs.reduce<FieldSet>((all, other) => union(all, asObject(other.fieldsV1) ?? {}), set)
  const dropped = subtract(asObject(mine?.['fieldsV1']) ?? {}, kept)
  const merged = asKubeObject(overlay(without(live, dropped, shape), wanted, shape))
  // Applying the same again must not write: the time moves only with the fields.
  const unchanged = mine !== undefined && JSON.stringify(mine['fieldsV1']) === JSON.stringify(set)
  const managedFields = [...theirs.filter(other => Object.keys(asObject(other.fieldsV1) ?? {}).length > 0), unchanged ? mine : entry(set)]
  const metadata = { ...merged.metadata, name: target.name, managedFields }
  const resourceVersion = asText(asObject(config['metadata'])?.['resourceVersion'])
  const body = { ...merged, metadata: { ...metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) } }
  return { item: updateObject(context, target, body, { ...options, keepsManagedFields: true }), created: false }
}

/** What an apply configuration claims: not the object's identity. */
function owned(config: JsonObject): JsonObject {
  const { apiVersion: _apiVersion, kind: _kind, metadata, ...rest } = config
  const { name: _name, namespace: _namespace, resourceVersion: _revision, uid: _uid, creationTimestamp: _created, ...claimed } = asObject(metadata) ?? {}
  return Object.keys(claimed).length === 0 ? rest : { metadata: claimed, ...rest }
}

function customShape(kind: Kind): Shape {
  const shape = schemaShape(kind.schema)
  return { ...shape, member: name => (name === 'metadata' ? messageShape('meta.ObjectMeta') : shape.member(name)) }
}

function refuseConflicts(set: FieldSet, others: readonly JsonObject[], values: { live: KubeObject, wanted: JsonObject, shape: Shape }): void {
  const found = others.flatMap(other => conflicts(set, asObject(other['fieldsV1']) ?? {}, values).map(field => ({ field, manager: asText(other['manager']) ?? '' })))
  if (found.length === 0) return
  const causes = found.map(({ field, manager }) => ({ reason: 'FieldManagerConflict', message: `conflict with ${JSON.stringify(manager)}`, field }))
  const managers = [...new Set(found.map(({ manager }) => manager))].map(manager => `conflict${found.length === 1 ? '' : 's'} with ${JSON.stringify(manager)}: ${found.filter(one => one.manager === manager).map(one => one.field).join(', ')}`)
  throw new ApiError(409, 'Conflict', `Apply failed with ${found.length} conflict${found.length === 1 ? '' : 's'}: ${managers.join('; ')}`, { causes })
}

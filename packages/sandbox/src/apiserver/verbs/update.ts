import { asArray, asObject, cloneJson, equalJson, type JsonObject, type KubeObject } from '../json.ts'
import { keyOf, type Kind } from '../kind.ts'
import { badRequest, conflict, invalid, notFound } from '../status.ts'
import type { Stored } from '../stored.ts'
import { forbiddenField } from '../validation/field.ts'
import { admitAndValidate, commit, hasFinalizers, readBody } from './create.ts'
import type { VerbContext, WriteOptions } from './context.ts'

/** One object in a path. */
export interface Target {
  readonly kind: Kind
  readonly namespace?: string | undefined
  readonly name: string
}

/** The object a path names, in its kind's form. */
export function getObject(context: VerbContext, target: Target): Stored {
  const found = context.store.get(target.kind.storage, keyOf(target.namespace, target.name))
  if (found === undefined) throw notFound(target.kind, target.name)
  return found
}

/**
 * Replaces an object, or one subresource of it. Nothing is written when nothing changes.
 *
 * @throws {ApiError} 400, 404, 409 (another resourceVersion or uid), 422.
 */
export function updateObject(context: VerbContext, target: Target, body: JsonObject, options: WriteOptions = {}): Stored {
  const { kind, namespace, name } = target
  const current = getObject(context, target)
  const object = readBody(kind, body, { namespace, ...options })
  const { metadata } = object
  if (metadata.name === undefined) metadata.name = name
  if (metadata.name !== name) throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`)
  const old = kind.fromStorage?.(current.object) ?? current.object
  if (metadata.resourceVersion !== undefined && metadata.resourceVersion !== '' && metadata.resourceVersion !== old.metadata.resourceVersion) {
    throw conflict(kind, name)
  }
  if (metadata.uid !== undefined && metadata.uid !== '' && metadata.uid !== old.metadata.uid) {
    throw conflict(kind, name, `Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: ${old.metadata.uid}`)
  }
  const wanted = chooseParts(kind, object, old, options.subresource)
  keepSystemMetadata(wanted, old, options.keepsManagedFields === true ? SYSTEM_METADATA : [...SYSTEM_METADATA, 'managedFields'])
  refuseNewFinalizers(kind, wanted, old)
  const stored = admitAndValidate(context, kind, wanted, { old, options })
  // Metadata and status do not count: generation tells controllers that their input changed.
  if (stored['spec'] !== undefined && !equalBut(stored, current.object, ['metadata', 'status'])) stored.metadata.generation = (current.object.metadata.generation ?? 0) + 1
  if (equalJson(stored, current.object)) return current
  if (readyToGo(kind, stored)) {
    return options.dryRun === true ? current : context.store.remove(kind.storage, current.key)!
  }
  return commit(context, kind, current.key, stored, options)
}

/** Whether an object marked for deletion has nothing left that holds it. */
export function readyToGo(kind: Kind, object: KubeObject): boolean {
  if (object.metadata.deletionTimestamp === undefined || hasFinalizers(object)) return false
  if (kind.storage === 'namespaces') return asArray(asObject(object['spec'])?.['finalizers']).length === 0
  return (object.metadata.deletionGracePeriodSeconds ?? 0) === 0
}

function chooseParts(kind: Kind, object: KubeObject, old: KubeObject, subresource: string | undefined): KubeObject {
  if (subresource === 'status') {
    const { spec: _spec, ...rest } = object
    // Custom resources keep everything but status; built-in kinds let metadata through, as Kubernetes does.
    if (kind.schema !== undefined) return { ...cloneJson(old), ...(object['status'] === undefined ? {} : { status: object['status'] }) }
    return { ...cloneJson(old), metadata: rest.metadata, ...(object['status'] === undefined ? {} : { status: object['status'] }) }
  }
  if (kind.subresources.has('status')) {
    const { status: _status, ...rest } = object
    return { ...rest, ...(old['status'] === undefined ? {} : { status: cloneJson(old['status']!) }) }
  }
  return object
}

const SYSTEM_METADATA = ['generation', 'deletionTimestamp', 'deletionGracePeriodSeconds', 'generateName'] as const

function keepSystemMetadata(object: KubeObject, old: KubeObject, names: readonly string[]): void {
  const { metadata } = object
  metadata.uid = old.metadata.uid
  metadata.creationTimestamp = old.metadata.creationTimestamp
  metadata.resourceVersion = old.metadata.resourceVersion
  for (const name of names) {
    if (old.metadata[name] === undefined) delete metadata[name]
    else metadata[name] = old.metadata[name]
  }
  delete metadata['selfLink']
}

function refuseNewFinalizers(kind: Kind, object: KubeObject, old: KubeObject): void {
  if (old.metadata.deletionTimestamp === undefined) return
  const added = asArray(object.metadata.finalizers).filter(finalizer => !asArray(old.metadata.finalizers).includes(finalizer))
  if (added.length === 0) return
  const detail = `no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`
  throw invalid(kind, object.metadata.name, [forbiddenField('metadata.finalizers', detail)])
}

function equalBut(a: KubeObject, b: KubeObject, names: readonly string[]): boolean {
  const strip = (object: KubeObject): JsonObject => Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)))
  return equalJson(strip(a), strip(b))
}

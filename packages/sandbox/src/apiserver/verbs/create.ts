import { asArray, asKubeObject, cloneJson, memberObject, type JsonObject, type KubeObject } from '../json.ts'
import { apiVersionOf, keyOf, type Kind } from '../kind.ts'
import { alreadyExists, badRequest, forbidden, invalid, notFound } from '../status.ts'
import { conform } from '../schema/conform.ts'
import { messageNameOf } from '../schema/message.ts'
import type { Stored } from '../stored.ts'
import { required } from '../validation/field.ts'
import { validateMetadata } from '../validation/metadata.ts'
import { timestamp, type VerbContext, type WriteOptions } from './context.ts'

/**
 * Creates an object.
 *
 * @param body As the client sent it; not changed.
 * @throws {ApiError} 400, 403, 404 (namespace), 409, 422.
 */
export function createObject(context: VerbContext, target: { kind: Kind, namespace?: string | undefined, name?: string | undefined }, body: JsonObject, options: WriteOptions = {}): Stored {
  const { kind, namespace } = target
  const object = readBody(kind, body, { namespace, ...options })
  const { metadata } = object
  if (target.name !== undefined) metadata.name ??= target.name
  if (metadata.name === undefined || metadata.name === '') {
    if (metadata.generateName === undefined || metadata.generateName === '') {
      throw invalid(kind, '', [required('metadata.name', 'name or generateName is required')])
    }
    // 63 less the suffix of five, as Kubernetes cuts it.
    metadata.name = `${metadata.generateName.slice(0, 58)}${context.newSuffix()}`
  }
  if (metadata.resourceVersion !== undefined && metadata.resourceVersion !== '') {
    throw badRequest('resourceVersion should not be set on objects to be created')
  }
  checkNamespace(context, kind, namespace, metadata.name)
  metadata.uid = context.newUid()
  metadata.creationTimestamp = timestamp(context.wallTime())
  // Only what has a desired state has generations of it.
  if (object['spec'] === undefined) delete metadata.generation
  else metadata.generation = 1
  delete metadata.deletionTimestamp
  delete metadata.deletionGracePeriodSeconds
  delete metadata['selfLink']
  if (kind.subresources.has('status') && kind.keepsStatusOnCreate !== true) delete object['status']
  const stored = admitAndValidate(context, kind, object, { options })
  const key = keyOf(namespace, metadata.name)
  if (context.store.get(kind.storage, key) !== undefined) throw alreadyExists(kind, metadata.name)
  return commit(context, kind, key, stored, options)
}

/** Defaults, admission, validation and policies; gives the storage form. */
export function admitAndValidate(context: VerbContext, kind: Kind, object: KubeObject, { old, options }: { readonly old?: KubeObject, readonly options: WriteOptions }): KubeObject {
  kind.applyDefaults?.(object, old)
  for (const admit of context.admission) admit({ kind, object, old })
  const causes = [...validateMetadata(kind, object), ...(kind.validate?.(object, old) ?? [])]
  if (causes.length > 0) throw invalid(kind, object.metadata.name, causes)
  const { name, namespace } = object.metadata
  context.review?.policies.review({ operation: old === undefined ? 'CREATE' : 'UPDATE', kind, subresource: options.subresource, namespace, name, user: context.review.user, dryRun: options.dryRun === true, object, old })
  return kind.toStorage?.(object) ?? object
}

/** Writes, or with `dryRun` only shows what would be written. */
export function commit(context: VerbContext, kind: Kind, key: string, object: KubeObject, options: WriteOptions): Stored {
  if (options.dryRun !== true) return context.store.put(kind.storage, key, object)
  return context.store.preview(key, object)
}

/** A mutable copy of a request body with its kind, version, fields and namespace checked and filled. */
export function readBody(kind: Kind, body: JsonObject, options: Pick<WriteOptions, 'fieldValidation' | 'onWarning'> & { namespace: string | undefined }): KubeObject {
  const { namespace } = options
  // These three come first in the JSON, so that a list can leave out kind and version of its items cheaply.
  const parts: JsonObject = { apiVersion: undefined, kind: undefined, metadata: {}, ...cloneJson(body) }
  memberObject(parts, 'metadata')
  const object = asKubeObject(parts)
  const expected = apiVersionOf(kind)
  if (object.apiVersion === undefined || object.apiVersion === '') object.apiVersion = expected
  else if (object.apiVersion !== expected) {
    throw badRequest(`the API version in the data (${object.apiVersion}) does not match the expected API version (${expected})`)
  }
  if (object.kind === undefined || object.kind === '') object.kind = kind.kind
  else if (object.kind !== kind.kind) {
    throw badRequest(`${object.kind} in version ${JSON.stringify(kind.version)} cannot be handled as a ${kind.kind}: no kind ${JSON.stringify(object.kind)} is registered`)
  }
  conformFields(kind, object, options)
  const { metadata } = object
  for (const name of ['name', 'namespace', 'generateName', 'uid', 'resourceVersion'] as const) {
    if (metadata[name] !== undefined && typeof metadata[name] !== 'string') throw badRequest(`json: cannot unmarshal ${typeof metadata[name]} into Go struct field ObjectMeta.metadata.${name} of type string`)
  }
  if (kind.namespaced) {
    if (metadata.namespace !== undefined && metadata.namespace !== '' && metadata.namespace !== namespace) {
      throw badRequest('the namespace of the provided object does not match the namespace sent on the request')
    }
    metadata.namespace = namespace!
  } else delete metadata.namespace
  return object
}

function conformFields(kind: Kind, object: KubeObject, options: Pick<WriteOptions, 'fieldValidation' | 'onWarning'>): void {
  const unknown = kind.conform?.(object) ?? conform(object, messageNameOf(kind), kind)
  if (unknown.length === 0) return
  const texts = unknown.map(path => `unknown field ${JSON.stringify(path)}`)
  if (options.fieldValidation === 'Strict') {
    throw badRequest(`${kind.kind} in version ${JSON.stringify(kind.version)} cannot be handled as a ${kind.kind}: strict decoding error: ${texts.join(', ')}`)
  }
  if (options.fieldValidation !== 'Ignore') for (const text of texts) options.onWarning?.(text)
}

function checkNamespace(context: VerbContext, kind: Kind, namespace: string | undefined, name: string): void {
  if (namespace === undefined) return
  const found = context.store.get('namespaces', namespace)
  if (found === undefined) throw notFound(context.registry.find('', 'v1', 'namespaces')!, namespace)
  if (found.object.metadata.deletionTimestamp === undefined) return
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`
  throw forbidden(kind, name, why, [{ reason: 'NamespaceTerminating', message: `namespace ${namespace} is being terminated`, field: 'metadata.namespace' }])
}

/** Whether an object is kept back from removal. */
export function hasFinalizers(object: KubeObject): boolean {
  return asArray(object.metadata.finalizers).length > 0
}


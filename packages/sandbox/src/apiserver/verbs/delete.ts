import { asArray, asNumber, asObject, asText, cloneJson, type JsonObject, type KubeObject } from '../json.ts'
import type { Kind } from '../kind.ts'
import { conflict, success } from '../status.ts'
import type { Stored } from '../stored.ts'
import { timestamp, type VerbContext } from './context.ts'
import { getObject, readyToGo, type Target } from './update.ts'

/** DeleteOptions as this server reads them. */
export interface DeleteOptions {
  readonly gracePeriodSeconds?: number | undefined
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan' | undefined
  readonly preconditions?: { readonly uid?: string | undefined, readonly resourceVersion?: string | undefined } | undefined
  readonly dryRun?: boolean | undefined
}

const POLICIES = ['Background', 'Foreground', 'Orphan'] as const

/** Reads DeleteOptions from a body and the query; the query wins as in Kubernetes' clients, which send one of them. */
export function readDeleteOptions(body: JsonObject | undefined, query: URLSearchParams): DeleteOptions {
  const grace = query.get('gracePeriodSeconds')
  const preconditions = asObject(body?.['preconditions'])
  const orphans = query.get('orphanDependents') === 'true' || body?.['orphanDependents'] === true
  const policy = query.get('propagationPolicy') ?? asText(body?.['propagationPolicy']) ?? (orphans ? 'Orphan' : undefined)
  return {
    gracePeriodSeconds: grace === null ? asNumber(body?.['gracePeriodSeconds']) : Number(grace),
    propagationPolicy: POLICIES.find(known => known === policy),
    preconditions: preconditions === undefined ? undefined : { uid: asText(preconditions['uid']), resourceVersion: asText(preconditions['resourceVersion']) },
    dryRun: query.has('dryRun') || asArray(body?.['dryRun']).length > 0,
  }
}

const CASCADE_FINALIZER = { Foreground: 'foregroundDeletion', Orphan: 'orphan' } as const

/**
 * Deletes an object: at once, or by a mark that finalizers or a grace period keep.
 *
 * @returns The body of the answer: a Status when the object is gone, otherwise the marked object.
 * @throws {ApiError} 404, 409 (preconditions).
 */
export function deleteObject(context: VerbContext, target: Target, options: DeleteOptions = {}): JsonObject | Stored {
  const { kind, name } = target
  const current = getObject(context, target)
  const { metadata } = current.object
  const { uid, resourceVersion } = options.preconditions ?? {}
  if (uid !== undefined && uid !== metadata.uid) {
    throw conflict(kind, name, `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid}`)
  }
  if (resourceVersion !== undefined && resourceVersion !== metadata.resourceVersion) {
    throw conflict(kind, name, `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${metadata.resourceVersion}`)
  }
  context.review?.policies.review({ operation: 'DELETE', kind, namespace: target.namespace, name, user: context.review.user, dryRun: options.dryRun === true, old: current.object })
  const marked = markForDeletion(context, kind, current.object, options)
  if (readyToGo(kind, marked)) {
    if (options.dryRun !== true) context.store.remove(kind.storage, current.key)
    return success(kind, name, metadata.uid)
  }
  if (options.dryRun === true || marked === current.object) return current
  return context.store.put(kind.storage, current.key, marked)
}

function markForDeletion(context: VerbContext, kind: Kind, object: KubeObject, options: DeleteOptions): KubeObject {
  const before = object.metadata.deletionTimestamp
  const full = kind.gracePeriod?.(object) ?? 0
  // A second deletion may shorten the grace period, never lengthen it.
  const previous = before === undefined ? Infinity : (object.metadata.deletionGracePeriodSeconds ?? 0)
  const asked = kind.gracePeriod === undefined || full === 0 ? 0 : Math.max(0, options.gracePeriodSeconds ?? full)
  const grace = Math.min(asked, previous)
  if (before !== undefined && grace === previous) return object
  const marked = cloneJson(object)
  if (before === undefined && marked.metadata.generation !== undefined) marked.metadata.generation++
  const cascade = options.propagationPolicy === 'Foreground' || options.propagationPolicy === 'Orphan' ? CASCADE_FINALIZER[options.propagationPolicy] : undefined
  if (cascade !== undefined && !asArray(marked.metadata.finalizers).includes(cascade)) {
    marked.metadata.finalizers = [...(marked.metadata.finalizers ?? []), cascade]
  }
  marked.metadata.deletionTimestamp = timestamp(new Date(context.wallTime().getTime() + grace * 1000))
  marked.metadata.deletionGracePeriodSeconds = grace
  if (kind.storage === 'namespaces') marked['status'] = { ...asObject(marked['status']), phase: 'Terminating' }
  return marked
}


import { asNumber, asObject, asText, valueAt, type Json, type JsonObject } from './json.ts'
import type { Kind } from './kind.ts'
import { bodyOf, writeOptions, type Answer, type ApiRequest, type DispatchContext } from './request.ts'
import { badRequest, methodNotAllowed, unknownPath } from './status.ts'
import type { Stored } from './stored.ts'
import { serviceAccountUser } from './tls/credentials.ts'
import { deleteObject, readDeleteOptions } from './verbs/delete.ts'
import { mergePatch } from './patch/merge-patch.ts'
import { jsonPatch } from './patch/json-patch.ts'
import { timestamp } from './verbs/context.ts'
import { getObject, updateObject, type Target } from './verbs/update.ts'
import { selectorText } from './selector-text.ts'

/**
 * Answers a subresource other than status; log and exec are streams and served by the HTTP side.
 *
 * @throws {ApiError} 404 when the kind has no such subresource.
 */
export function answerSubresource(context: DispatchContext, target: Target, subresource: string, request: ApiRequest): Answer {
  const { kind } = target
  if (!(kind.subresources as ReadonlySet<string>).has(subresource)) throw unknownPath()
  switch (subresource) {
    case 'scale': return onScale(context, target, request)
    case 'binding': return bind(context, target, request)
    case 'eviction': return evict(context, target, request)
    case 'token': return issueToken(context, target, request)
    case 'finalize': {
      if (request.method !== 'PUT') throw methodNotAllowed()
      return { kind: 'object', code: 200, of: kind, item: updateObject(context, target, bodyOf(request), writeOptions(request)) }
    }
    default: throw unknownPath()
  }
}

const WORKLOAD_PATHS = { spec: 'spec.replicas', status: 'status.replicas', selector: 'spec.selector' }

/** The Scale object of a workload. */
function scaleOf(kind: Kind, item: Stored): JsonObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = item.object.metadata
  const paths = kind.scalePaths ?? WORKLOAD_PATHS
  const selector = valueAt(item.object, paths.selector)
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: asNumber(valueAt(item.object, paths.spec)) ?? 0 },
    status: { replicas: asNumber(valueAt(item.object, paths.status)) ?? 0, selector: typeof selector === 'string' ? selector : selectorText(selector) },
  }
}

function onScale(context: DispatchContext, target: Target, request: ApiRequest): Answer {
  const { kind } = target
  const current = getObject(context, target)
  if (request.method === 'GET') return { kind: 'status', code: 200, body: scaleOf(kind, current) }
  if (request.method !== 'PUT' && request.method !== 'PATCH') throw methodNotAllowed()
  const patched = request.method === 'PUT' ? bodyOf(request) : asObject(patchScale(scaleOf(kind, current), request))
  const replicas = asNumber(valueAt(patched, 'spec.replicas')) ?? 0
  const resourceVersion = asText(valueAt(patched, 'metadata.resourceVersion'))
  // The path as a merge patch: `spec.replicas` becomes {spec: {replicas}}.
  const change = (kind.scalePaths ?? WORKLOAD_PATHS).spec.split('.').reduceRight<Json>((inner, name) => ({ [name]: inner }), replicas)
  const wanted = mergePatch(mergePatch(current.object, change), resourceVersion === undefined ? {} : { metadata: { resourceVersion } })
  return { kind: 'status', code: 200, body: scaleOf(kind, updateObject(context, target, asObject(wanted)!, writeOptions(request))) }
}

function patchScale(scale: JsonObject, request: ApiRequest): Json {
  const patch = request.body ?? null
  return request.contentType === 'application/json-patch+json' ? jsonPatch(scale, patch) : mergePatch(scale, patch)
}

function bind(context: DispatchContext, target: Target, request: ApiRequest): Answer {
  if (request.method !== 'POST') throw methodNotAllowed()
  const node = asText(valueAt(bodyOf(request), 'target.name'))
  if (node === undefined) throw badRequest('binding.target.name is required')
  const current = getObject(context, target)
  const bound = asObject(mergePatch(current.object, { spec: { nodeName: node } }))!
  updateObject(context, target, bound, writeOptions(request))
  return { kind: 'status', code: 201, body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 } }
}

function issueToken(context: DispatchContext, target: Target, request: ApiRequest): Answer {
  if (request.method !== 'POST') throw methodNotAllowed()
  getObject(context, target)
  const body = bodyOf(request)
  const seconds = asNumber(valueAt(body, 'spec.expirationSeconds')) ?? 3600
  const token = context.issueToken(serviceAccountUser(target.namespace ?? '', target.name))
  const expirationTimestamp = timestamp(new Date(context.wallTime().getTime() + seconds * 1000))
  return { kind: 'status', code: 201, body: { ...body, kind: 'TokenRequest', apiVersion: 'authentication.k8s.io/v1', status: { token, expirationTimestamp } } }
}

function evict(context: DispatchContext, target: Target, request: ApiRequest): Answer {
  if (request.method !== 'POST') throw methodNotAllowed()
  deleteObject(context, target, readDeleteOptions(asObject(bodyOf(request)['deleteOptions']), request.query))
  return { kind: 'status', code: 201, body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 } }
}

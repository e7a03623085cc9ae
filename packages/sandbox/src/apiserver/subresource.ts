import { asNumber, asObject, asText, valueAt, type JsonObject } from './json.ts'
import { bodyOf, writeOptions, type Answer, type ApiRequest, type DispatchContext } from './request.ts'
import { badRequest, methodNotAllowed, unknownPath } from './status.ts'
import type { Stored } from './stored.ts'
import { deleteObject, readDeleteOptions } from './verbs/delete.ts'
import { mergePatch } from './patch/merge-patch.ts'
import { jsonPatch } from './patch/json-patch.ts'
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
    case 'finalize': {
      if (request.method !== 'PUT') throw methodNotAllowed()
      return { kind: 'object', code: 200, of: kind, item: updateObject(context, target, bodyOf(request), writeOptions(request)) }
    }
    default: throw unknownPath()
  }
}

/** The Scale object of a workload. */
function scaleOf(item: Stored): JsonObject {
  const { metadata } = item.object
  const { name, namespace, uid, resourceVersion, creationTimestamp } = metadata
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: asNumber(valueAt(item.object, 'spec.replicas')) ?? 0 },
    status: { replicas: asNumber(valueAt(item.object, 'status.replicas')) ?? 0, selector: selectorText(valueAt(item.object, 'spec.selector')) },
  }
}

function onScale(context: DispatchContext, target: Target, request: ApiRequest): Answer {
  const current = getObject(context, target)
  if (request.method === 'GET') return { kind: 'status', code: 200, body: scaleOf(current) }
  if (request.method !== 'PUT' && request.method !== 'PATCH') throw methodNotAllowed()
  const patched = request.method === 'PUT' ? bodyOf(request) : asObject(patchScale(scaleOf(current), request))
  const replicas = asNumber(valueAt(patched, 'spec.replicas')) ?? 0
  const resourceVersion = asText(valueAt(patched, 'metadata.resourceVersion'))
  const wanted = mergePatch(current.object, { spec: { replicas }, metadata: { ...(resourceVersion === undefined ? {} : { resourceVersion }) } })
  return { kind: 'status', code: 200, body: scaleOf(updateObject(context, target, wanted as JsonObject, writeOptions(request))) }
}

function patchScale(scale: JsonObject, request: ApiRequest): JsonObject {
  const patch = request.body ?? null
  return (request.contentType === 'application/json-patch+json' ? jsonPatch(scale, patch) : mergePatch(scale, patch)) as JsonObject
}

function bind(context: DispatchContext, target: Target, request: ApiRequest): Answer {
  if (request.method !== 'POST') throw methodNotAllowed()
  const node = asText(valueAt(bodyOf(request), 'target.name'))
  if (node === undefined) throw badRequest('binding.target.name is required')
  const current = getObject(context, target)
  const bound = mergePatch(current.object, { spec: { nodeName: node } }) as JsonObject
  updateObject(context, target, bound, writeOptions(request))
  return { kind: 'status', code: 201, body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 } }
}

function evict(context: DispatchContext, target: Target, request: ApiRequest): Answer {
  if (request.method !== 'POST') throw methodNotAllowed()
  deleteObject(context, target, readDeleteOptions(asObject(bodyOf(request)['deleteOptions']), request.query))
  return { kind: 'status', code: 201, body: { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 } }
}

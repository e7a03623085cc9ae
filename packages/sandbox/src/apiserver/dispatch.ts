import { asObject } from './json.ts'
import type { Kind } from './kind.ts'
import { parseResourcePath, type ResourcePath } from './path.ts'
import { bodyOf, writeOptions, type Answer, type ApiRequest, type DispatchContext } from './request.ts'
import { badRequest, methodNotAllowed, unknownPath } from './status.ts'
import { Stored } from './stored.ts'
import type { WriteOptions } from './verbs/context.ts'
import { applyObject } from './verbs/apply.ts'
import { createObject, readBody } from './verbs/create.ts'
import { deleteCollection } from './verbs/delete-collection.ts'
import { deleteObject, readDeleteOptions } from './verbs/delete.ts'
import { isTrue, Watch } from './verbs/watch.ts'
import { listObjects } from './verbs/list.ts'
import { patchObject } from './verbs/patch.ts'
import { getObject, updateObject } from './verbs/update.ts'
import { answerSubresource } from './subresource.ts'

/**
 * Answers a resource request.
 *
 * @throws {ApiError} Whatever the request deserves; 404 when no kind is served there.
 */
export function dispatch(server: DispatchContext, request: ApiRequest): Answer {
  const context = { ...server, review: { user: request.user, policies: server.policies } }
  const path = parseResourcePath(request.path)
  const kind = path === undefined ? undefined : context.registry.find(path.group, path.version, path.resource)
  if (path === undefined || kind === undefined) throw unknownPath()
  if (kind.namespaced ? path.name !== undefined && path.namespace === undefined : path.namespace !== undefined) throw unknownPath()
  if (kind.answer !== undefined) return answerQuestion(kind, path, request)
  if (path.name === undefined) return onCollection(context, kind, path, request)
  const target = { kind, namespace: path.namespace, name: path.name }
  if (path.subresource !== undefined && path.subresource !== 'status') return answerSubresource(context, target, path.subresource, request)
  if (path.subresource === 'status' && !kind.subresources.has('status')) throw unknownPath()
  return onObject(context, target, path, request)
}

function answerQuestion(kind: Kind, path: ResourcePath, request: ApiRequest): Answer {
  if (request.method !== 'POST' || path.name !== undefined) throw methodNotAllowed()
  const object = readBody(kind, bodyOf(request), { namespace: undefined, ...writeOptions(request) })
  return { kind: 'status', code: 201, body: { ...object, status: kind.answer!(object, request.user) } }
}

function onCollection(context: DispatchContext, kind: Kind, path: ResourcePath, request: ApiRequest): Answer {
  const { query } = request
  const scope = { kind, namespace: path.namespace }
  switch (request.method) {
    case 'GET':
      if (isTrue(query, 'watch')) return { kind: 'watch', of: kind, start: sink => new Watch(context, scope, query, sink) }
      return { kind: 'list', list: listObjects(context, scope, query, context.pages) }
    case 'POST':
      if (kind.namespaced && path.namespace === undefined) throw methodNotAllowed()
      return { kind: 'object', code: 201, of: kind, item: createObject(context, scope, bodyOf(request), writeOptions(request)) }
    case 'DELETE': {
      if (kind.namespaced && path.namespace === undefined) throw methodNotAllowed()
      const options = readDeleteOptions(asObject(request.body), query)
      return { kind: 'list', list: deleteCollection(context, scope, query, { options, pages: context.pages }) }
    }
    default: throw methodNotAllowed()
  }
}

function onObject(context: DispatchContext, target: { kind: Kind, namespace: string | undefined, name: string }, path: ResourcePath, request: ApiRequest): Answer {
  const { kind } = target
  const options = { ...writeOptions(request), subresource: path.subresource }
  switch (request.method) {
    case 'GET':
      if (isTrue(request.query, 'watch')) return watchOne(context, target, request)
      return { kind: 'object', code: 200, of: kind, item: getObject(context, target) }
    case 'PUT': return { kind: 'object', code: 200, of: kind, item: updateObject(context, target, bodyOf(request), options) }
    case 'PATCH': return patchAnswer(context, target, request, options)
    case 'DELETE': {
      if (path.subresource !== undefined) throw methodNotAllowed()
      const result = deleteObject(context, target, readDeleteOptions(asObject(request.body), request.query))
      return result instanceof Stored ? { kind: 'object', code: 200, of: kind, item: result } : { kind: 'status', code: 200, body: result }
    }
    default: throw methodNotAllowed()
  }
}

function patchAnswer(context: DispatchContext, target: { kind: Kind, namespace: string | undefined, name: string }, request: ApiRequest, options: WriteOptions): Answer {
  if (request.body === undefined) throw badRequest('the patch is empty')
  if (request.contentType === 'application/apply-patch+yaml') {
    const { item, created } = applyObject(context, target, bodyOf(request), { ...options, force: isTrue(request.query, 'force') })
    return { kind: 'object', code: created ? 201 : 200, of: target.kind, item }
  }
  const item = patchObject(context, target, request.body, { ...options, contentType: request.contentType ?? '' })
  return { kind: 'object', code: 200, of: target.kind, item }
}

function watchOne(context: DispatchContext, target: { kind: Kind, namespace: string | undefined, name: string }, request: ApiRequest): Answer {
  const query = new URLSearchParams(request.query)
  query.set('fieldSelector', `metadata.name=${target.name}`)
  return { kind: 'watch', of: target.kind, start: sink => new Watch(context, target, query, sink) }
}

import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Api } from '../api.ts'
import { dispatch } from '../dispatch.ts'
import type { Kind } from '../kind.ts'
import { bookmarkObject, jsonOf, listJson, listMetadata, viewOf } from '../render.ts'
import type { Answer, ApiRequest } from '../request.ts'
import type { Stored } from '../stored.ts'
import { tableJson, TableWriter } from '../table/table.ts'
import type { User } from '../tls/credentials.ts'
import { endAfterTimeout, type Watch } from '../verbs/watch.ts'
import { readAccept } from './accept.ts'
import { WatchStream, type EventWriter } from './watch-stream.ts'

/** One HTTP exchange. */
export interface Exchange {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly user: User
}

/** Answers a request to a resource over HTTP, in the form its Accept header asks for. */
export function answerResource(api: Api, request: ApiRequest, exchange: Exchange): FastifyReply {
  const { form } = readAccept(exchange.request.headers.accept)
  const answer = dispatch(api.context, request)
  const { reply } = exchange
  reply.type('application/json')
  const now = api.context.wallTime().getTime()
  switch (answer.kind) {
    case 'status': return reply.code(answer.code).send(JSON.stringify(answer.body))
    case 'object':
      if (form === 'table') return reply.code(answer.code).send(tableJson(answer.of, [answer.item], { metadata: { resourceVersion: answer.item.object.metadata.resourceVersion }, now, query: request.query }))
      if (form === 'metadata') return reply.code(answer.code).send(metadataJson(answer.of, answer.item))
      return reply.code(answer.code).send(jsonOf(answer.of, answer.item))
    case 'list':
      if (form === 'table') return reply.send(tableJson(answer.list.kind, answer.list.items, { metadata: listMetadata(answer.list), now, query: request.query }))
      if (form === 'metadata') return reply.send(metadataListJson(answer.list))
      return reply.send(listJson(answer.list))
    case 'watch': return serveWatch(api, answer, { request, exchange, writer: writerOf(api, answer.of, form, request.query) })
    default: return answer satisfies never
  }
}

function writerOf(api: Api, kind: Kind, form: string, query: URLSearchParams): EventWriter {
  if (form === 'table') return new TableWriter(kind, query, () => api.context.wallTime().getTime())
  return {
    object: item => (form === 'metadata' ? metadataJson(kind, item) : jsonOf(kind, item)),
    bookmark: (revision, initialEventsEnd) => JSON.stringify(bookmarkObject(kind, revision, initialEventsEnd)),
  }
}

function serveWatch(api: Api, answer: Extract<Answer, { kind: 'watch' }>, how: { request: ApiRequest, exchange: Exchange, writer: EventWriter }): FastifyReply {
  const { reply, user } = how.exchange
  const response = reply.raw
  const stream = new WatchStream(response, how.writer, { faults: api.faults, user })
  const start = (): Watch => answer.start(stream)
  response.setHeader('content-type', 'application/json')
  response.setHeader('cache-control', 'no-cache, private')
  const watch = start() // throws before anything was written when the query is bad
  reply.hijack()
  response.flushHeaders()
  const unsubscribe = api.faults.subscribe(() => stream.onFaultsChanged())
  const ended = new AbortController()
  api.watches.add(watch)
  response.on('close', () => {
    watch.stop()
    api.watches.remove(watch)
    unsubscribe()
    ended.abort()
  })
  endAfterTimeout(watch, how.request.query, { clock: api.clock, signal: ended.signal })
  return reply
}

function metadataJson(kind: Kind, item: Stored): string {
  return JSON.stringify({ kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: viewOf(kind, item).metadata })
}

function metadataListJson(list: Extract<Answer, { kind: 'list' }>['list']): string {
  const items = list.items.map(item => ({ metadata: item.object.metadata }))
  return JSON.stringify({ kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata: listMetadata(list), items })
}

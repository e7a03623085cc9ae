import type { FastifyReply } from 'fastify'
import type { Api } from '../api.ts'
import type { ApiRequest } from '../request.ts'
import { ApiError, badRequest } from '../status.ts'
import { isTrue } from '../verbs/watch.ts'
import { podTarget } from './pod-target.ts'

/** Streams a container's output. */
export async function servePodLog(api: Api, request: ApiRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { query } = request
  const target = podTarget(api, request.path, query)
  const ended = new AbortController()
  const response = reply.raw
  response.on('close', () => ended.abort())
  const output = target.runtime.logs(target.namespace, target.name, target.container, {
    follow: isTrue(query, 'follow'),
    timestamps: isTrue(query, 'timestamps'),
    previous: isTrue(query, 'previous'),
    tailLines: numberIn(query, 'tailLines'),
    sinceSeconds: sinceSeconds(query, api.clock.wallTime()),
    limitBytes: numberIn(query, 'limitBytes'),
    signal: ended.signal,
  })[Symbol.asyncIterator]()
  // The first piece decides whether there is an answer at all; a follower gets its headers at once.
  const first = isTrue(query, 'follow') ? undefined : await firstPiece(output)
  reply.hijack()
  response.writeHead(200, { 'content-type': 'text/plain' })
  response.flushHeaders()
  try {
    if (first?.done !== true) {
      if (first !== undefined) await write(response, first.value)
      for (let piece = await output.next(); piece.done !== true && !ended.signal.aborted; piece = await output.next()) await write(response, piece.value)
    }
  } catch (error) {
    if (!ended.signal.aborted) api.logger.debug({ err: error, pod: `${target.namespace}/${target.name}` }, 'log stream ended')
  }
  response.end()
  return reply
}

async function firstPiece(output: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
  try {
    return await output.next()
  } catch (error) {
    throw error instanceof ApiError ? error : badRequest(error instanceof Error ? error.message : String(error))
  }
}

async function write(response: FastifyReply['raw'], bytes: Uint8Array): Promise<void> {
  if (response.write(bytes)) return
  const { promise, resolve } = Promise.withResolvers<void>()
  response.once('drain', resolve)
  response.once('close', resolve)
  await promise
}

function numberIn(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  if (text === null) return undefined
  if (!/^\d+$/u.test(text)) throw badRequest(`${name}: Invalid value: ${JSON.stringify(text)}`)
  return Number(text)
}

function sinceSeconds(query: URLSearchParams, now: Date): number | undefined {
  const time = query.get('sinceTime')
  if (time === null) return numberIn(query, 'sinceSeconds')
  return Math.max(0, Math.ceil((now.getTime() - Date.parse(time)) / 1000))
}

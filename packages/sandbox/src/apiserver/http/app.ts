import { fastify, type FastifyInstance, type FastifyReply, type FastifyRequest, type FastifyServerOptions } from 'fastify'
import type { Api } from '../api.ts'
import { attributesOf } from '../authorization/attributes.ts'
import { ApiError, unknownPath } from '../status.ts'
import type { User } from '../tls/credentials.ts'
import { authenticate, authorize } from './authenticate.ts'
import { readBody } from './body.ts'
import { servePodLog } from './pod-log.ts'
import { isPodStream } from './pod-target.ts'
import { answerResource } from './answer.ts'
import { answerMeta, isHealthPath } from './meta.ts'

/** Kubernetes takes at most 3 MiB of JSON in one request. */
const MAX_BODY_BYTES = 3 * 1024 * 1024

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- never called, so their exact types do not matter
const NO_SCHEMAS = {
  compilersFactory: { buildValidator: () => () => () => true, buildSerializer: () => () => (data: unknown) => JSON.stringify(data) },
} as unknown as NonNullable<FastifyServerOptions['schemaController']>

/** Builds the HTTP application; connections are brought to it by the listeners. */
export function buildApp(api: Api): FastifyInstance {
  const app = fastify({
    logger: false,
    // No route has a schema: without these, fastify loads its schema compilers, 60 ms of the server's start.
    schemaController: NO_SCHEMAS,
    bodyLimit: MAX_BODY_BYTES, routerOptions: { ignoreTrailingSlash: true, maxParamLength: 4096 }, exposeHeadRoutes: false,
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.setErrorHandler((error, request, reply) => sendError(api, error, request, reply))
  app.setNotFoundHandler((_request, reply) => sendStatus(reply, unknownPath()))
  app.all('/*', async (request, reply) => {
    const url = new URL(request.url, 'https://apiserver')
    if (isHealthPath(url.pathname)) return reply.type('text/plain; charset=utf-8').send('ok')
    const user = authenticate(api, request.raw)
    await applyFaults(api, user, url, reply)
    if (reply.raw.destroyed) return reply.hijack()
    authorize(api, user, attributesOf({ method: request.method, path: url.pathname, query: url.searchParams }))
    const { body, contentType } = await readBody(Buffer.isBuffer(request.body) ? request.body : undefined, request.headers['content-type'])
    const apiRequest = { method: request.method, path: url.pathname, query: url.searchParams, body, contentType, user, onWarning: (text: string) => addWarning(reply, text) }
    if (request.method === 'GET' && isPodStream(url.pathname, 'log')) return servePodLog(api, apiRequest, reply)
    return (await answerMeta(api, apiRequest, request.headers.accept, reply)) ?? answerResource(api, apiRequest, { request, reply, user })
  })
  return app
}

function addWarning(reply: FastifyReply, text: string): void {
  const sent = [reply.getHeader('warning') ?? []].flat().map(String)
  reply.header('warning', [...sent, `299 - ${JSON.stringify(text)}`])
}

async function applyFaults(api: Api, user: User, { pathname: path, searchParams: query }: URL, reply: FastifyReply): Promise<void> {
  // The way to heal must not be broken itself.
  if (path.startsWith('/weft/')) return
  const latency = api.faults.latencyOf(path)
  if (latency > 0) await api.clock.sleep(latency)
  const partition = api.faults.partitionOf(user)
  if (partition === 'reset') reply.raw.destroy()
  if (partition === 'hang') await healed(api, user)
  if (api.faults.plan.refuseWatchList === true && query.has('sendInitialEvents')) throw new ApiError(422, 'Invalid', 'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled')
  const retryAfterSeconds = api.faults.takeThrottle(path)
  if (retryAfterSeconds === undefined) return
  reply.header('retry-after', String(retryAfterSeconds))
  throw new ApiError(429, 'TooManyRequests', 'Too many requests, please try again later.', { retryAfterSeconds })
}

async function healed(api: Api, user: User): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const unsubscribe = api.faults.subscribe(() => {
    if (api.faults.partitionOf(user) !== 'hang') resolve()
  })
  await promise
  unsubscribe()
}

function sendError(api: Api, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  if (error instanceof ApiError) return sendStatus(reply, error)
  const message = error instanceof Error ? error.message : String(error)
  const statusCode = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : undefined
  if (statusCode === 413) return sendStatus(reply, new ApiError(413, 'RequestEntityTooLarge', 'Request entity too large: limit is 3145728'))
  if (statusCode !== undefined && statusCode < 500) return sendStatus(reply, new ApiError(statusCode, 'BadRequest', message))
  api.logger.error({ error, method: request.method, url: request.url }, 'request failed')
  return sendStatus(reply, new ApiError(500, 'InternalError', `Internal error occurred: ${message}`))
}

function sendStatus(reply: FastifyReply, error: ApiError): FastifyReply {
  return reply.code(error.code).type('application/json').send(JSON.stringify(error.toStatus()))
}

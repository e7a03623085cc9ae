import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Registry } from 'prom-client'
import type { Logger } from './logger.ts'
import type { Readiness } from './readiness.ts'

/**
 * Answers one path. GET gives no body; POST (unix socket only) gives its JSON. What it throws is answered: 400 for a
 * SyntaxError or a RangeError (the caller's mistake), 500 for the rest.
 */
export type AdminRoute = (url: URL, body?: unknown) => unknown

interface RequestContext {
  readonly registry: Registry
  readonly ready: () => Readiness
  readonly routes?: Readonly<Record<string, AdminRoute>> | undefined
  readonly logger: Logger
  /** Whether whoever can connect may change things: a unix socket of mode 0600. */
  readonly trusted: boolean
}

interface Answer {
  readonly status: number
  readonly body: string
  readonly type?: string | undefined
}

/** Largest body of a POST. */
const maxBodyBytes = 1_048_576
const jsonType = 'application/json'
const textType = 'text/plain; charset=utf-8'

/** Answers every request, failures too. */
export async function answerRequest(context: RequestContext, request: IncomingMessage, response: ServerResponse): Promise<void> {
  let answer: Answer
  try {
    answer = await answerTo(context, request)
  } catch (error) {
    const badRequest = error instanceof SyntaxError || error instanceof RangeError
    if (!badRequest) context.logger.warn({ err: error, path: request.url }, 'admin request failed')
    answer = { status: badRequest ? 400 : 500, body: `${error instanceof Error ? error.message : String(error)}\n` }
  }
  // A body nobody read would stand before the next request of the connection.
  if (!request.complete) response.setHeader('connection', 'close')
  response.writeHead(answer.status, { 'content-type': answer.type ?? textType, 'content-length': Buffer.byteLength(answer.body) })
  response.end(answer.body)
}

async function answerTo(context: RequestContext, request: IncomingMessage): Promise<Answer> {
  const { registry, ready, routes, trusted } = context
  const url = new URL(request.url ?? '/', 'http://admin')
  const route = routes !== undefined && Object.hasOwn(routes, url.pathname) ? routes[url.pathname] : undefined
  if (request.method === 'POST' && route !== undefined && trusted) {
    if (request.headers['content-type']?.split(';', 1)[0] !== jsonType) return { status: 415, body: `wanted ${jsonType}\n` }
    return toAnswer(await route(url, await readJson(request)))
  }
  if (request.method !== 'GET') return { status: 405, body: trusted && route !== undefined ? 'GET or POST only\n' : 'GET only\n' }
  switch (url.pathname) {
    case '/healthz': return { status: 200, body: 'ok\n' }
    case '/readyz': {
      const state = ready()
      return state.ready ? { status: 200, body: 'ok\n' } : { status: 503, body: state.waiting.map((part) => `waiting for ${part}\n`).join('') }
    }
    case '/metrics': return { status: 200, body: await registry.metrics(), type: registry.contentType }
    default: return route === undefined ? { status: 404, body: 'not found\n' } : toAnswer(await route(url))
  }
}

function toAnswer(value: unknown): Answer {
  if (typeof value === 'string') return { status: 200, body: value }
  return { status: 200, body: JSON.stringify(value ?? null), type: jsonType }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > maxBodyBytes) throw new RangeError(`Cannot read request body: more than ${maxBodyBytes} bytes`)
    chunks.push(chunk)
  }
  return JSON.parse(Buffer.concat(chunks).toString()) as unknown
}

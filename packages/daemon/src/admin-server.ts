import { chmod, unlink } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Registry } from 'prom-client'
import type { Logger } from './logger.ts'

/** Whether a program can do its work, and what it still waits for. */
export interface Readiness {
  readonly ready: boolean
  /** Name of the part and what it waits for; empty when ready. */
  readonly waiting: readonly string[]
}

/** Ready when all parts are. */
export function allReady(parts: Readonly<Record<string, boolean>>): Readiness {
  const waiting = Object.keys(parts).filter((name) => !parts[name])
  return { ready: waiting.length === 0, waiting }
}

export interface AdminOptions {
  /** A unix socket (mode 0600, a stale file is replaced) or an address. */
  readonly listen: { readonly path: string } | { readonly host: string, readonly port: number }
  readonly registry: Registry
  readonly ready: () => Readiness
  /** More paths: a string is answered as text, anything else as JSON. */
  readonly routes?: Readonly<Record<string, (url: URL) => unknown>> | undefined
  readonly logger: Logger
}

/** Deadlines of a connection, in milliseconds: nobody may hold one open for nothing (CVE-2023-41378). */
const headersTimeoutMs = 5000
const requestTimeoutMs = 10_000

/**
 * Serves `/healthz` (the process answers), `/readyz` (200 or 503 with what it waits for), `/metrics` (Prometheus text) and
 * the routes given, GET only.
 *
 * @throws {Error} When it cannot listen.
 */
export async function serveAdmin(options: AdminOptions): Promise<AsyncDisposable> {
  const { listen, logger } = options
  const server = createServer({ headersTimeout: headersTimeoutMs, requestTimeout: requestTimeoutMs }, (request, response) => {
    answer(options, request, response).catch((error: unknown) => {
      logger.warn({ err: error, path: request.url }, 'admin request failed')
      if (!response.headersSent) send(response, 500, `${error instanceof Error ? error.message : String(error)}\n`)
    })
  })
  if ('path' in listen) await unlink(listen.path).catch(() => undefined)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(listen, resolve)
  })
  if ('path' in listen) await chmod(listen.path, 0o600)
  return {
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

async function answer({ registry, ready, routes }: AdminOptions, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://admin')
  if (request.method !== 'GET') return send(response, 405, 'GET only\n')
  switch (url.pathname) {
    case '/healthz': return send(response, 200, 'ok\n')
    case '/readyz': {
      const state = ready()
      return state.ready ? send(response, 200, 'ok\n') : send(response, 503, state.waiting.map((part) => `waiting for ${part}\n`).join(''))
    }
    case '/metrics': return send(response, 200, await registry.metrics(), registry.contentType)
    default: {
      const route = routes !== undefined && Object.hasOwn(routes, url.pathname) ? routes[url.pathname]! : undefined
      if (route === undefined) return send(response, 404, 'not found\n')
      const body = await route(url)
      return typeof body === 'string' ? send(response, 200, body) : send(response, 200, JSON.stringify(body), 'application/json')
    }
  }
}

function send(response: ServerResponse, status: number, body: string, type = 'text/plain; charset=utf-8'): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
  response.end(body)
}

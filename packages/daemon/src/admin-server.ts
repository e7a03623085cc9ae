import type { Registry } from 'prom-client'
import { type AdminRoute, answerRequest } from './admin-request.ts'
import { type AdminListen, type AdminServer, serveHttp } from './http-server.ts'
import type { Logger } from './logger.ts'
import type { Readiness } from './readiness.ts'

export interface AdminOptions {
  readonly listen: AdminListen
  readonly registry: Registry
  readonly ready: () => Readiness
  /** More paths: a string is answered as text, anything else as JSON. */
  readonly routes?: Readonly<Record<string, AdminRoute>> | undefined
  readonly logger: Logger
}

/**
 * Serves `/healthz` (the process answers), `/readyz` (200, or 503 with what it waits for), `/metrics` (Prometheus text) and
 * the routes given.
 *
 * @throws {AdminError} ERR_ADMIN_LISTEN, as {@link serveHttp} does.
 */
export async function serveAdmin(options: AdminOptions): Promise<AdminServer> {
  return await serveHttp(options.listen, (request, response) => {
    // answerRequest answers its own failures.
    void answerRequest({ ...options, trusted: 'path' in options.listen }, request, response)
  })
}

import type { buildConnector, Dispatcher } from 'undici'
// See tls.ts.
import request from 'undici/lib/api/api-request.js'
import Pool from 'undici/lib/dispatcher/pool.js'
import { createConnector, type TlsOptions } from './tls.ts'

export interface ServersOptions extends TlsOptions {
  readonly connectTimeoutMs: number
  readonly timeoutMs: number
}

/** One address of the API server and the connections to it. */
export interface Server {
  readonly origin: string
  readonly pool: Pool
  request(options: Dispatcher.RequestOptions): Promise<Dispatcher.ResponseData>
}

/**
 * The addresses of the API server, tried in the order given. The one that works stays in use: an
 * agent starts on a real address and need not move once the Service address works as well.
 */
export class Servers implements AsyncDisposable {
  readonly #options: ServersOptions
  readonly #connect: buildConnector.connector
  #servers: readonly Server[]
  #current = 0

  constructor(origins: readonly string[], options: ServersOptions) {
    this.#options = options
    this.#connect = createConnector(options, options.connectTimeoutMs)
    this.#servers = origins.map((origin) => this.#open(origin))
  }

  get count(): number {
    return this.#servers.length
  }

  get current(): Server {
    return this.#servers[this.#current]!
  }

  /** Moves on from a server that failed, unless somebody did already. */
  skip(failed: Server): void {
    if (this.current === failed) this.#current = (this.#current + 1) % this.#servers.length
  }

  /** Other addresses from now on. One that stays keeps its connections; one that goes answers what is under way. */
  replace(origins: readonly string[]): void {
    const { current } = this
    const gone = this.#servers.filter(({ origin }) => !origins.includes(origin))
    this.#servers = origins.map((origin) => this.#servers.find((server) => server.origin === origin) ?? this.#open(origin))
    this.#current = Math.max(0, this.#servers.indexOf(current))
    for (const { pool } of gone) void pool.close().catch(() => undefined)
  }

  /** Opens connections that are no request: WebSockets. */
  get connector(): buildConnector.connector {
    return this.#connect
  }

  #open(origin: string): Server {
    const { timeoutMs } = this.#options
    const pool = new Pool(origin, {
      connect: this.#connect,
      allowH2: false,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
      // Kubernetes closes idle connections after minutes; leaving first avoids the race with its close.
      keepAliveTimeout: 30_000,
      keepAliveMaxTimeout: 90_000,
    })
    return { origin, pool, request: (options) => request.call(pool, options) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.map(async ({ pool }) => await pool.destroy()))
  }
}

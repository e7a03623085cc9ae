import { Pool } from 'undici'
import { createConnector, type TlsOptions } from './tls.ts'

export interface ServersOptions extends TlsOptions {
  readonly connectTimeoutMs: number
  readonly timeoutMs: number
}

/** One address of the API server and the connections to it. */
export interface Server {
  readonly origin: string
  readonly pool: Pool
}

/**
 * The addresses of the API server, tried in the order given. The one that works stays in use: an
 * agent starts on a real address and need not move once the Service address works as well.
 */
export class Servers implements AsyncDisposable {
  readonly #servers: readonly Server[]
  #current = 0

  constructor(origins: readonly string[], options: ServersOptions) {
    const connect = createConnector(options, options.connectTimeoutMs)
    this.#servers = origins.map((origin) => {
      return {
        origin,
        pool: new Pool(origin, {
          connect,
          allowH2: false,
          headersTimeout: options.timeoutMs,
          bodyTimeout: options.timeoutMs,
          // Kubernetes closes idle connections after minutes; leaving first avoids the race with its close.
          keepAliveTimeout: 30_000,
          keepAliveMaxTimeout: 90_000,
        }),
      }
    })
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

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.map(async ({ pool }) => await pool.destroy()))
  }
}

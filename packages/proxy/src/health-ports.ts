import { type AdminServer, serveHttp } from '@weft/daemon'
import { formatIp, type IpAddress } from '@weft/ip'
import { send, servicePortAnswer } from './health-answer.ts'
import type { HealthPort } from './health-port.ts'

interface Served {
  wanted: HealthPort
  /** Where its servers listen. */
  readonly at: string
  readonly servers: AsyncDisposableStack
}

/** The servers behind `healthCheckNodePort`: one for each Service that has one and each address of the node. */
export class HealthPorts implements AsyncDisposable {
  readonly #isHealthy: () => boolean
  readonly #served = new Map<string, Served>()

  constructor(isHealthy: () => boolean) {
    this.#isHealthy = isHealthy
  }

  keys(): Iterable<string> {
    return this.#served.keys()
  }

  /**
   * Serves a Service's port on these addresses, or no longer.
   *
   * @throws {AdminError} When the port cannot be had; then none of its addresses is served.
   */
  async set(key: string, wanted: HealthPort | undefined, ips: readonly IpAddress[]): Promise<void> {
    const old = this.#served.get(key)
    const at = wanted === undefined ? '' : [wanted.port, ...ips.map(formatIp)].join(' ')
    if (old !== undefined && wanted !== undefined && old.at === at) {
      old.wanted = wanted
      return
    }
    this.#served.delete(key)
    await old?.servers.disposeAsync()
    if (wanted === undefined) return
    await using servers = new AsyncDisposableStack()
    const served: Served = { wanted, at, servers: new AsyncDisposableStack() }
    for (const ip of ips) servers.use(await this.#listen(served, ip))
    served.servers.use(servers.move())
    this.#served.set(key, served)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { servers } of this.#served.values()) await servers.disposeAsync()
    this.#served.clear()
  }

  /** Whatever is asked is answered alike: load balancers ask for paths of their own. */
  async #listen(served: Served, ip: IpAddress): Promise<AdminServer> {
    return await serveHttp({ host: formatIp(ip), port: served.wanted.port }, (_request, response) => send(response, servicePortAnswer(served.wanted, this.#isHealthy())))
  }
}

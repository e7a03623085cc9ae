import { randomInt, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server as HttpsServer } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import { join } from 'node:path'
import type { Clock, Logger } from '@weft/daemon'
import type { KubeClient } from '@weft/kube'
import { parseCidr } from '@weft/ip'
import { AdmissionPolicies } from './admission/admission-policies.ts'
import { ServiceAddresses } from './admission/service-addresses.ts'
import type { Api } from './api.ts'
import { Audit } from './authorization/audit.ts'
import { RbacAuthorizer } from './authorization/rbac.ts'
import { InProcessClient } from './client.ts'
import { Faults } from './faults.ts'
import { buildApp } from './http/app.ts'
import { serveExec } from './http/pod-exec.ts'
import { followDefinitions } from './crd/custom-kinds.ts'
import { builtinKinds } from './kinds/builtin.ts'
import { definitionKind } from './kinds/definition.ts'
import { reviewKinds } from './kinds/reviews.ts'
import type { PodRuntime } from './pod-runtime.ts'
import { KindRegistry } from './registry.ts'
import { RunningWatches } from './running-watches.ts'
import { storagePort, type StoragePort } from './storage-port.ts'
import { ObjectStore } from './store.ts'
import { Credentials, type User } from './tls/credentials.ts'
import { writeKubeconfig } from './tls/kubeconfig.ts'
import { PagedLists } from './verbs/list.ts'
import type { Admission } from './verbs/context.ts'

/** Settings of the server. */
export interface ApiServerConfig {
  /** DNS names and addresses the server certificate is good for, besides the usual ones. @default [] */
  readonly names?: readonly string[] | undefined
  /** Changes kept per resource for watches that resume; older ones answer 410. @default 4096 */
  readonly watchHistory?: number | undefined
  /** Milliseconds between two bookmarks of a watch. @default 10000 */
  readonly bookmarkIntervalMs?: number | undefined
  /** Longest time in milliseconds that a power cut may take back; a killed process loses nothing. @default 200 */
  readonly syncIntervalMs?: number | undefined
  /** Ranges of Service addresses, the primary family first. @default 10.96.0.0/16 and fd00:10:96::/112 */
  readonly serviceRanges?: readonly string[] | undefined
  /** Lowest and highest node port. @default 30000 to 32767 */
  readonly nodePorts?: readonly [number, number] | undefined
}

/** What the server is made from. */
export interface ApiServerOptions {
  /** Folder for state and credentials, made with mode 0700. */
  readonly stateDir: string
  readonly config?: ApiServerConfig | undefined
  readonly clock: Clock
  readonly logger: Logger
  /** Serves `/log` and `/exec`; without it they answer 501. */
  readonly podRuntime?: PodRuntime | undefined
}

/** A running API server. */
export interface ApiServer extends AsyncDisposable {
  /**
   * Serves HTTPS on one more listener.
   *
   * @param listener A listening server that someone else bound (its connections are taken over), or where to listen.
   * @returns The address that is served.
   */
  serve(listener: Server | { readonly host: string, readonly port: number }): Promise<AddressInfo>
  /** The authority's certificate, PEM. */
  readonly ca: string
  /** The token that may do everything. */
  readonly adminToken: string
  /** The token of a user; the same at every call and after a restart. */
  tokenFor(user: User): string
  /** Writes a kubeconfig (mode 0600) with the admin token. @param server E.g. `https://127.0.0.1:6443`. */
  writeKubeconfig(path: string, server: string): void
  /** A client in this process, without HTTP. */
  readonly client: KubeClient
  /** Reads of the state as it is now, for controllers in this process. */
  readonly storage: StoragePort
  readonly faults: Faults
  close(): Promise<void>
}

const USUAL_NAMES = ['127.0.0.1', '::1', 'localhost', '10.96.0.1', 'fd00:10:96::1', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'kubernetes.default.svc.cluster.local']

/** Longer than clients keep idle connections. */
const KEEP_ALIVE_MS = 180_000
const DEFAULT_SERVICE_RANGES = ['10.96.0.0/16', 'fd00:10:96::/112']

/** Opens the state folder and starts a server; it listens nowhere until `serve` is called. */
export async function createApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const { stateDir, clock, logger, config = {} } = options
  const credentials = Credentials.open(stateDir, { names: [...USUAL_NAMES, ...(config.names ?? [])], now: clock.wallTime() })
  const store = ObjectStore.open({ journalPath: join(stateDir, 'journal.jsonl'), ringSize: config.watchHistory ?? 4096 })
  const authorizer = new RbacAuthorizer(store)
  const registry = new KindRegistry([...builtinKinds, definitionKind(() => clock.wallTime()), ...reviewKinds(credentials, authorizer)])
  followDefinitions(store, registry)
  const serviceAddresses = new ServiceAddresses(store, { ranges: (config.serviceRanges ?? DEFAULT_SERVICE_RANGES).map(text => parseCidr(text)), nodePorts: config.nodePorts ?? [30_000, 32_767] })
  const admission: readonly Admission[] = [request => serviceAddresses.admit(request)]
  const watches = new RunningWatches()
  const faults = new Faults(() => {
    store.forgetHistory()
    watches.expireAll()
  })
  const context = { store, registry, admission, pages: new PagedLists(), policies: new AdmissionPolicies(store), wallTime: () => clock.wallTime(), newUid: () => randomUUID(), newSuffix, issueToken: (user: User) => credentials.tokenOf(user) }
  const api: Api = { context, credentials, authorizer, audit: new Audit(), faults, watches, clock, logger, podRuntime: options.podRuntime }
  const app = buildApp(api)
  await app.ready()
  const servers = new Set<HttpsServer>()
  const ended = new AbortController()
  const loops = [watches.run(clock, config.bookmarkIntervalMs ?? 10_000, ended.signal), syncLoop(store, clock, { intervalMs: config.syncIntervalMs ?? 200, logger, signal: ended.signal })]
  const close = async (): Promise<void> => {
    if (ended.signal.aborted) return
    ended.abort()
    watches.finishAll()
    await Promise.all(loops)
    await Promise.all([...servers].map(closeServer))
    await app.close()
    store.close()
  }
  return {
    async serve(listener) {
      const { key, certificate } = credentials.server
      const server = createServer({ key, cert: certificate }, (request, response) => app.routing(request, response))
      // Node's five seconds cut connections that clients are about to use again.
      server.keepAliveTimeout = KEEP_ALIVE_MS
      serveExec(api, server)
      servers.add(server)
      return listen(server, listener)
    },
    ca: credentials.ca,
    get adminToken() { return credentials.adminToken },
    tokenFor: (user) => credentials.tokenOf(user),
    writeKubeconfig: (path, server) => writeKubeconfig(path, { server, ca: credentials.ca, token: credentials.adminToken, name: 'weft-sandbox' }),
    client: new InProcessClient(api),
    storage: storagePort(store, registry),
    faults,
    close,
    [Symbol.asyncDispose]: close,
  }
}

async function listen(server: HttpsServer, listener: Server | { readonly host: string, readonly port: number }): Promise<AddressInfo> {
  if (!('host' in listener)) {
    // Its own listening handle stays with the caller; only connections come over.
    listener.on('connection', socket => server.emit('connection', socket))
    if (!listener.listening) await once(listener, 'listening')
    return addressOf(listener)
  }
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(listener.port, listener.host, resolve)
  await promise
  server.off('error', reject)
  return addressOf(server)
}

function addressOf(server: Server): AddressInfo {
  const address = server.address()
  // A listener on a path has no address; nobody serves an API there.
  return typeof address === 'string' || address === null ? { address: String(address), family: '', port: 0 } : address
}

async function closeServer(server: HttpsServer): Promise<void> {
  server.closeAllConnections()
  const { promise, resolve } = Promise.withResolvers<void>()
  server.close(() => resolve())
  await promise
}

async function syncLoop(store: ObjectStore, clock: Clock, options: { intervalMs: number, logger: Logger, signal: AbortSignal }): Promise<void> {
  while (!options.signal.aborted) {
    try {
      await clock.sleep(options.intervalMs, { signal: options.signal })
    } catch {
      return
    }
    await store.sync().catch((error: unknown) => options.logger.error({ error }, 'journal could not be synced'))
  }
}

/** The alphabet of Kubernetes' generated names: no vowels, so no words. */
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789'

function newSuffix(): string {
  return Array.from({ length: 5 }, () => ALPHABET[randomInt(ALPHABET.length)]).join('')
}

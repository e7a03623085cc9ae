import { readFile } from 'node:fs/promises'
import type { ListenAddress } from '@weft/api'
import { allReady, type Clock, type Logger, type Readiness, type Registry } from '@weft/daemon'
import { zoneOptions } from './compile.ts'
import type { DnsConfig } from './config.ts'
import { LoopGuard } from './forward/loop-guard.ts'
import { parseResolvConf } from './forward/resolv-conf.ts'
import { createMetrics } from './metrics.ts'
import type { ModelChange } from './model.ts'
import { ZoneReconciler } from './reconcile.ts'
import { Counters } from './server/counters.ts'
import { TcpConnections } from './server/tcp-connections.ts'
import { serveTcp } from './server/tcp-server.ts'
import { createThread, openUdp } from './server/thread.ts'
import { UdpWorker } from './server/udp-worker.ts'
import type { DnsStores } from './watch.ts'
import { LiveZone } from './zone/live-zone.ts'
import { addressOfKey } from './zone/reverse-name.ts'
import { formatZone } from './zone/zone-file.ts'

export interface DnsDeps {
  readonly config: DnsConfig
  /** Kept in step with the API server by the assembly; `pods` is needed in pod mode `verified` only. */
  readonly stores: DnsStores
  readonly clock: Clock
  readonly logger: Logger
  readonly registry: Registry
  /** Told once per reason why a Service (`namespace/name`) has no place in the zone, e.g. to record an Event on it. */
  readonly onRefused?: ((key: string, error: Error) => void) | undefined
  /** @default Math.random */
  readonly rng?: (() => number) | undefined
}

/** The DNS server of a cluster. */
export interface Dns {
  /**
   * Answers until aborted and `lameduck` is over.
   *
   * @throws {DnsError} `ERR_DNS_LISTEN`, `ERR_DNS_WORKER`.
   */
  run(signal: AbortSignal): Promise<void>
  /** Ready when it listens, knows the cluster and is not about to go. */
  ready(): Readiness
  /** The zone as a zone file. */
  dump(): string
  /** Where it listens, once it does. */
  whenListening(): Promise<readonly ListenAddress[]>
  /** Resolves when everything the stores hold at this moment is answered with. */
  settled(): Promise<void>
}

export function createDns(deps: DnsDeps): Dns {
  return new DnsServer(deps)
}

class DnsServer implements Dns {
  readonly #deps: DnsDeps
  readonly #zone: LiveZone
  readonly #counters: readonly Counters[]
  readonly #connections: TcpConnections
  readonly #reconciler: ZoneReconciler
  readonly #listening = Promise.withResolvers<readonly ListenAddress[]>()
  /** Threads to be told about changes. */
  readonly #workers = new Set<UdpWorker>()
  #cacheEntries: () => number = () => 0
  #isListening = false
  #isStopping = false

  constructor(deps: DnsDeps) {
    const { clock, config, logger, registry, stores } = deps
    this.#deps = deps
    this.#zone = new LiveZone(zoneOptions(config), Math.floor(clock.wallTime().getTime() / 1000))
    // The first belongs to this thread, which answers TCP in any case.
    this.#counters = Array.from({ length: config.workers === 1 ? 1 : 1 + config.workers }, () => new Counters())
    this.#connections = new TcpConnections(config.tcp, { counters: this.#counters[0]!, clock })
    const metrics = createMetrics(registry, this.#counters, {
      services: () => this.#zone.serviceCount,
      refusedServices: () => this.#zone.refused.size,
      tcpConnections: () => this.#connections.size,
      cacheEntries: () => this.#cacheEntries(),
      serial: () => this.#zone.serial,
    })
    this.#reconciler = new ZoneReconciler({
      stores,
      zone: this.#zone,
      clock,
      logger,
      onLag: metrics.changed,
      onRefused: deps.onRefused,
      onChange: (change, serial) => this.#tellWorkers(change, serial),
      onSynced: () => {
        logger.info({ services: this.#zone.serviceCount }, 'zone complete')
        for (const worker of this.#workers) worker.tell({ kind: 'synced' })
      },
    })
    this.#listening.promise.catch(() => undefined)
  }

  ready(): Readiness {
    return allReady({ 'sockets': this.#isListening, 'services and endpoints': this.#zone.synced, 'end of lameduck': !this.#isStopping })
  }

  dump(): string {
    return formatZone(this.#zone.value())
  }

  whenListening(): Promise<readonly ListenAddress[]> {
    return this.#listening.promise
  }

  async settled(): Promise<void> {
    await this.#reconciler.settled()
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, config, logger } = this.#deps
    // Loops go on through lameduck: they end with this.
    const stop = new AbortController()
    await using open = new AsyncDisposableStack()
    open.defer(() => stop.abort())
    try {
      const upstreams = await this.#upstreams()
      const loops = new LoopGuard().memory
      const thread = createThread({ ...this.#deps, rng: this.#deps.rng ?? Math.random, upstreams, loops, zone: this.#zone, counters: this.#counters[0]! })
      this.#cacheEntries = () => thread.resolver.cacheSize
      const listen = config.workers === 1
        ? (await openUdp(config.listen, thread, { reusePort: false, logger })).map((server) => open.use(server).address)
        : await this.#startWorkers({ upstreams, loops, stop: stop.signal })
      for (const address of listen) {
        open.use(await serveTcp({ listen: address, config: config.tcp, connections: this.#connections, handle: (arrival, out) => thread.handler.handle(arrival, out), logger, clock }))
      }
      this.#isListening = true
      this.#listening.resolve(listen)
      logger.info({ listen, upstreams, workers: config.workers }, 'listening')
      const loopsRunning = Promise.all([this.#reconciler.run(stop.signal), thread.resolver.run(stop.signal), this.#connections.run(stop.signal)])
      await aborted(signal)
      this.#isStopping = true
      logger.info({ lameduckMs: config.lameduck }, 'lameduck')
      await clock.sleep(config.lameduck)
      stop.abort()
      await loopsRunning
      await Promise.all([...this.#workers].map(async (worker) => await worker.stop()))
    } catch (error) {
      this.#listening.reject(error)
      stop.abort()
      throw error
    } finally {
      this.#isListening = false
    }
  }

  async #upstreams(): Promise<readonly ListenAddress[]> {
    const { config: { forward, listen }, logger } = this.#deps
    if (forward.upstreams.length > 0 || forward.resolvConf === '') return forward.upstreams
    try {
      const found = parseResolvConf(await readFile(forward.resolvConf, 'utf8'), listen)
      if (found.length === 0) logger.warn({ file: forward.resolvConf }, 'no upstream: names outside the cluster get SERVFAIL')
      return found
    } catch (error) {
      logger.warn({ err: error, file: forward.resolvConf }, 'no upstream: names outside the cluster get SERVFAIL')
      return []
    }
  }

  /** One after the other: the first says which port it is when any was asked for. */
  async #startWorkers(shared: { readonly upstreams: readonly ListenAddress[], readonly loops: LoopGuard['memory'], readonly stop: AbortSignal }): Promise<readonly ListenAddress[]> {
    let { listen } = this.#deps.config
    for (let index = 1; index < this.#counters.length; index++) listen = await this.#startWorker(listen, { ...shared, index })
    return listen
  }

  async #startWorker(listen: readonly ListenAddress[], { index, loops, stop, upstreams }: { readonly index: number, readonly upstreams: readonly ListenAddress[], readonly loops: LoopGuard['memory'], readonly stop: AbortSignal }): Promise<readonly ListenAddress[]> {
    const { clock, config, logger } = this.#deps
    const zone = this.#zone
    const { addresses, worker } = await UdpWorker.start({ config, options: zone.options, upstreams, listen, loops, counters: this.#counters[index]!.memory, changes: [], serial: zone.serial, synced: false }, logger)
    // From here on nothing is awaited until it has the present state and hears of all that follows.
    for (const change of this.#snapshot()) worker.tell({ kind: 'change', change, serial: zone.serial })
    if (zone.synced) worker.tell({ kind: 'synced' })
    this.#workers.add(worker)
    const restart = async (): Promise<void> => {
      await worker.exited
      this.#workers.delete(worker)
      if (stop.aborted) return
      logger.error({ worker: index }, 'worker ended: starting another')
      await clock.sleep(restartDelayMs, { signal: stop })
      await this.#startWorker(addresses, { index, loops, stop, upstreams })
    }
    restart().catch((error: unknown) => {
      if (!stop.aborted) logger.error({ err: error, worker: index }, 'worker could not be started again')
    })
    return addresses
  }

  *#snapshot(): Iterable<ModelChange> {
    const { namespaces, pods, services } = this.#zone.value()
    for (const [key, { service }] of services) yield { kind: 'service', key, service }
    for (const name of namespaces) yield { kind: 'namespace', name, present: true }
    for (const [namespace, addresses] of pods) {
      for (const address of addresses) yield { kind: 'pod', namespace, address: addressOfKey(address), present: true }
    }
  }

  #tellWorkers(change: ModelChange, serial: number): void {
    for (const worker of this.#workers) worker.tell({ kind: 'change', change, serial })
  }
}

const restartDelayMs = 500

async function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

import { type EndpointSlice, type Node, objectKey, protocolNumbers, type Service, tables } from '@weft/api'
import { allReady, type Clock, type Logger, type Readiness, Reconciler, type Registry } from '@weft/daemon'
import type { Store } from '@weft/kube'
import { diffTable, formatTable, type Nft, type Transaction } from '@weft/nftables'
import type { ProxyConfig } from './config.ts'
import { proxyMetrics } from './metrics.ts'
import type { ServiceModel } from './model.ts'
import type { StaleFlow } from './stale-flows.ts'
import { ProxyState, type ServiceChange } from './state.ts'
import { watchNodes, watchService } from './watch.ts'

/** Forgets conntrack entries; the netlink package has one. */
export interface FlowTable {
  /** @returns How many were deleted. */
  deleteWhere(filter: { readonly family: 4 | 6, readonly protocol: number, readonly origDst: StaleFlow['destination'], readonly origDport: number, readonly replySrc?: StaleFlow['destination'] }): number
}

export interface ProxyDeps {
  readonly config: ProxyConfig
  readonly nodeName: string
  readonly nodes: Store<Node>
  readonly services: Store<Service>
  readonly slices: Store<EndpointSlice>
  readonly nft: Nft
  readonly flows: FlowTable
  readonly clock: Clock
  readonly logger: Logger
  readonly registry: Registry
}

export interface Proxy {
  /** Keeps the kernel as wanted until aborted. */
  run(signal: AbortSignal): Promise<void>
  ready(): Readiness
  /** Resolves when the kernel has the first Services. */
  whenReady(signal: AbortSignal): Promise<void>
  /** The table as `nft list table inet weft-proxy` prints it. */
  dump(): string
  /** The kernel's table was edited by somebody else: compare it whole. */
  recheck(): void
  /** Objects and elements written since the start. */
  readonly writes: number
}

/** How often the kernel is compared as a whole although nobody told of an edit, in milliseconds. Events tell of most. */
const resyncMs = 600_000

const byService = 'service'

export function createProxy(deps: ProxyDeps): Proxy {
  const { config, nodeName, nodes, services, slices, nft, flows, clock, logger, registry } = deps
  const metrics = proxyMetrics(registry)
  const dirty = new Set<string>()
  let state: ProxyState | undefined
  /** The kernel has to be read and compared: at the start, after an error, a foreign edit, or a change of nodes. */
  let compare = true
  let comparedAt = Number.NEGATIVE_INFINITY
  let writes = 0
  const reconciler = new Reconciler({ name: 'proxy', clock, logger, minIntervalMs: config.minIntervalMs, maxIntervalMs: resyncMs, reconcile })

  slices.addIndex(byService, (slice) => (slice.serviceName === '' ? [] : [`${slice.namespace}/${slice.serviceName}`]))

  async function reconcile(signal: AbortSignal): Promise<void> {
    await Promise.all([nodes.whenSynced(signal), services.whenSynced(signal), slices.whenSynced(signal)])
    const started = clock.now()
    if (compare || state === undefined || started - comparedAt >= resyncMs) compareAll(started)
    else applyDirty(state)
    metrics.commitSeconds.observe((clock.now() - started) / 1000)
    metrics.services.set(state?.size ?? 0)
  }

  /** Everything anew from the stores, compared with what the kernel has; the difference is written. */
  function compareAll(started: number): void {
    const node = watchNodes(nodeName, nodes.values(), config)
    if (node === undefined) throw new Error(`Cannot serve Services on node "${nodeName}": it has no Node object yet`)
    const fresh = new ProxyState(node, config)
    dirty.clear()
    compare = true
    const { stale } = fresh.apply([...services.values()].map((service): ServiceChange => ({ key: objectKey(service), model: watchService(service, slices.by(byService, objectKey(service)), { nodeName, node, config }) })))
    const transaction = diffTable(nft.read('inet', tables.proxy), fresh.table())
    commit(transaction)
    // At the very start every flow "begins before the first backend"; entries from before are as good as the rules that made them.
    if (state !== undefined) forget(stale.filter(({ backend }) => backend !== undefined))
    state = fresh
    compare = false
    comparedAt = started
  }

  /** Only what changed, in one transaction. */
  function applyDirty(current: ProxyState): void {
    const changes = [...dirty].map((key): ServiceChange => ({ key, model: modelOf(key, current) }))
    dirty.clear()
    const dnsChanged = changes.some(({ key }) => key === config.dnsService)
    // Should the commit fail, only a comparison knows what the kernel has.
    compare = true
    const { transaction, stale } = current.apply(changes)
    // The DNS Service has rules of its own, so its change is one of chains.
    commit(dnsChanged ? diffTable(nft.read('inet', tables.proxy), current.table()) : transaction)
    forget(stale)
    compare = false
  }

  function modelOf(key: string, { node }: ProxyState): ServiceModel | undefined {
    const service = services.get(key)
    return service === undefined ? undefined : watchService(service, slices.by(byService, key), { nodeName, node, config })
  }

  function commit(transaction: Transaction): void {
    if (transaction.isEmpty) return
    nft.commit(transaction)
    const written = countWrites(transaction)
    writes += written
    metrics.writes.inc(written)
    logger.debug({ written }, 'services committed')
  }

  function forget(stale: readonly StaleFlow[]): void {
    for (const { destination, port, backend } of stale) {
      metrics.staleFlows.inc(flows.deleteWhere({ family: destination.family, protocol: protocolNumbers.UDP, origDst: destination, origDport: port, ...(backend === undefined ? {} : { replySrc: backend.ip }) }))
    }
  }

  function mark(key: string): void {
    dirty.add(key)
    reconciler.trigger()
  }

  return {
    async run(signal) {
      const ends = [
        services.subscribe(({ key }) => mark(key)),
        slices.subscribe(({ old, new: now }) => {
          for (const slice of [old, now]) if (slice !== undefined && slice.serviceName !== '') mark(`${slice.namespace}/${slice.serviceName}`)
        }),
        nodes.subscribe(() => {
          compare = true
          reconciler.trigger()
        }),
      ]
      await reconciler.run(signal)
      for (const end of ends) end()
    },
    ready: () => allReady({ 'services in the kernel': reconciler.ready }),
    whenReady: (signal) => reconciler.whenReady(signal),
    dump: () => (state === undefined ? '# not known yet\n' : formatTable(state.table())),
    recheck() {
      compare = true
      reconciler.trigger()
    },
    get writes() {
      return writes
    },
  }
}

/** Elements count one by one: a batch of a thousand is a thousand writes. */
function countWrites({ operations }: Transaction): number {
  return operations.reduce((sum, operation) => sum + (operation.object === 'element' ? operation.elements.length : 1), 0)
}

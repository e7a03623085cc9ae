import { type AddressTable, type EndpointSlice, type IpBlock, type Node, type NodeName, objectKey, putStandIns, type Service, tables } from '@weft/api'
import { allReady, type Clock, type Logger, type Readiness, Reconciler, type Registry } from '@weft/daemon'
import type { Store } from '@weft/kube'
import { diffingTable, formatTable, type NftInTurns } from '@weft/nftables'
import { Committer } from './committer.ts'
import type { ProxyConfig } from './config.ts'
import { Draining } from './draining.ts'
import { explain, type Explanation, type ExplainQuestion } from './explain.ts'
import { type FlowTable } from './flow-table.ts'
import { inTurns } from './in-turns.ts'
import { KernelLacks } from './kernel-lacks.ts'
import { backendsBefore, layoutOf, servedBefore } from './kernel-ports.ts'
import type { LocalAddresses } from './link-addresses.ts'
import type { ProxyHealth } from './health-answer.ts'
import { kubeProxyMetrics, type ProbeCounters } from './kube-proxy-metrics.ts'
import { proxyMetrics } from './metrics.ts'
import type { NodeModel, ServiceModel } from './model.ts'
import { Progress } from './progress.ts'
import { ProxyError } from './proxy-error.ts'
import { Refusals } from './refusals.ts'
import type { ServiceCidr } from './service-cidr.ts'
import { allStalePorts, stalePorts } from './stale-flows.ts'
import { ProxyState, type ServiceChange, type StateChange } from './state.ts'
import { layout } from './table.ts'
import { isSamePlace, isSameNode, watchNode } from './watch-node.ts'
import { watchService } from './watch.ts'

export interface ProxyDeps {
  readonly config: ProxyConfig
  readonly nodeName: NodeName
  readonly nodes: Store<Node>
  readonly services: Store<Service>
  readonly slices: Store<EndpointSlice>
  /** Where pods get addresses out of blocks; nothing waits for it. */
  readonly blocks?: Store<IpBlock> | undefined
  /** Where the API server has them (Kubernetes 1.33); nothing waits for it. */
  readonly serviceCidrs?: Store<ServiceCidr> | undefined
  /** Where NodePorts may answer beside the addresses of the Node object. */
  readonly local?: LocalAddresses | undefined
  readonly nft: NftInTurns
  readonly flows: FlowTable
  /** Where stand-ins of loopback addresses are put; needed with `nodePortLoopback`. */
  readonly addresses?: AddressTable | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly registry: Registry
  /** Told once per reason why a Service (`namespace/name`) is not served on some port, e.g. to record an Event on it. */
  readonly onRefused?: ((key: string, error: ProxyError) => void) | undefined
  /** Whether conntrack knows SCTP; undefined when that cannot be told. @default not asked for */
  readonly tracksSctp?: (() => Promise<boolean | undefined>) | undefined
  /** Told once, in a sentence, what this kernel lacks, and what becomes of Services without it. */
  readonly onLacking?: ((message: string) => void) | undefined
}

export interface Proxy {
  /** Keeps the kernel as wanted until aborted. */
  run(signal: AbortSignal): Promise<void>
  ready(): Readiness
  /** Resolves when the kernel has the first Services. */
  whenReady(signal?: AbortSignal): Promise<void>
  /** Resolves when the kernel has everything the stores hold at this moment. */
  settled(signal?: AbortSignal): Promise<void>
  /** Whether the kernel follows the cluster: what `/healthz` says. */
  health(): ProxyHealth
  /** Whether the Service has anything in the kernel. */
  serves(key: string): boolean
  /** Where answers of `/healthz` and `/livez` are counted. */
  readonly probes: ProbeCounters
  /** The table as `nft list table inet weft-proxy` prints it. */
  dump(): string
  /** What happens to a new connection, and why; undefined before the first Services are known. */
  explain(question: ExplainQuestion): Promise<Explanation | undefined>
  /** The kernel's table was edited by somebody else: compare it whole (see `followEdits`). */
  recheck(): void
  /**
   * Whether the DNS server on this node may be used; true at the start. False sends queries to those of other nodes: before the local one
   * stops, and while it does not answer. Resolves when the kernel does so.
   */
  useLocalDns(use: boolean, signal?: AbortSignal): Promise<void>
  /** Objects and elements written since the start. */
  readonly writes: number
}

/** How often the kernel is compared as a whole although nobody told of an edit, in milliseconds. Events tell of most. */
const resyncMs = 600_000

/** Whoever asks for an explanation gives up by then, in milliseconds. */
const explainMs = 30_000

/** Index of slices. */
export const byService = 'service'

type CompareReason = 'start' | 'failure' | 'edit' | 'node' | 'resync'

export function createProxy(deps: ProxyDeps): Proxy {
  const { config, nodeName, nodes, services, slices, blocks, serviceCidrs, local, nft, flows, addresses, clock, logger, registry } = deps
  const metrics = proxyMetrics(registry)
  const upstream = kubeProxyMetrics(registry, { pendingServices: () => dirty.size, pendingEndpoints: () => progress.pendingSlices, withoutLocal })
  const progress = new Progress({ clock, metrics, upstream })
  const kernelLacks = new KernelLacks({ nft, tracksSctp: deps.tracksSctp, onLacking: deps.onLacking, logger })
  const committer = new Committer({ nft, flows, logger, metrics, upstream })
  const refusals = new Refusals(logger, deps.onRefused)
  const draining = new Draining(clock)
  const dirty = new Set<string>()
  let areRangesDirty = false
  let useLocalDns = true
  let state: ProxyState | undefined
  /** Why the kernel has to be read and compared; undefined when it is known. */
  let compare: CompareReason | undefined = 'start'
  /** How often somebody told of an edit: one that comes amid a comparison asks for another. */
  let edits = 0
  let comparedAt = Number.NEGATIVE_INFINITY
  /** When backends that are held are looked at next. */
  let drainedAt = Infinity
  const reconciler = new Reconciler({ name: 'proxy', clock, logger, registry, minIntervalMs: config.minIntervalMs, maxIntervalMs: resyncMs, reconcile })

  slices.addIndex(byService, (slice) => (slice.serviceName === '' ? [] : [`${slice.namespace}/${slice.serviceName}`]))

  async function reconcile(signal: AbortSignal): Promise<void> {
    await Promise.all([nodes.whenSynced(signal), services.whenSynced(signal), slices.whenSynced(signal)])
    if (clock.now() - comparedAt >= resyncMs) compare ??= 'resync'
    const isWhole = compare !== undefined || state === undefined
    const sync = progress.begin()
    try {
      if (compare === undefined && state !== undefined) await applyChanges(state, signal)
      else await compareAll(compare ?? 'start', signal)
    } catch (error) {
      progress.failed(sync)
      throw error
    }
    progress.done(sync, isWhole)
    metrics.services.set(state?.size ?? 0)
    metrics.refused.set(refusals.size)
    expectDrained(signal)
  }

  /** When the first of the backends that are held is let go. */
  function expectDrained(signal: AbortSignal): void {
    const { nextEndMs: endsMs } = draining
    if (endsMs >= drainedAt) return
    drainedAt = endsMs
    const letGo = (): void => {
      drainedAt = Infinity
      for (const key of draining.due()) mark(key)
      // Another may be held for longer, and nothing may change until then.
      expectDrained(signal)
    }
    void clock.sleep(endsMs - clock.now(), { signal }).then(letGo, () => undefined)
  }

  function withoutLocal(policy: 'internal' | 'external'): number {
    let count = 0
    for (const key of services.keys()) {
      if (state?.get(key)?.ports.some(({ kind, backends, local, elsewhere }) => (policy === 'internal' ? kind === 'cluster' && elsewhere : local?.length === 0 && backends.length > 0)) === true) count += 1
    }
    return count
  }

  function nodeModel(): NodeModel | undefined {
    const node = watchNode(nodeName, { nodes: nodes.values(), blocks: blocks?.values() ?? [], serviceCidrs: serviceCidrs?.values() ?? [], local: local?.values() }, config)
    return node === undefined ? undefined : { ...node, lacks: kernelLacks.all }
  }

  /** Everything anew from the stores, compared with what the kernel has; the difference is written. What changes meanwhile is dirty, and comes after. */
  async function compareAll(reason: CompareReason, signal: AbortSignal): Promise<void> {
    const started = clock.now()
    const known = edits
    if (reason !== 'edit' && reason !== 'node') await kernelLacks.look()
    // A Node object that is deleted under a running node changes nothing here.
    const node = nodeModel() ?? state?.node
    if (node === undefined) throw new ProxyError('ERR_PROXY_NO_NODE', `Cannot serve Services on node "${nodeName}": it has no Node object yet, wanted one that says its addresses`)
    metrics.comparisons.inc({ reason })
    const fresh = new ProxyState(node)
    dirty.clear()
    areRangesDirty = false
    compare = reason
    const turns = { clock, signal }
    const kernel = await nft.readInTurns('inet', tables.proxy, (work) => inTurns(work, turns))
    if (state === undefined) draining.restore(backendsBefore(kernel))
    const refused = await inTurns(fresh.load(models(node)), turns)
    const found = layoutOf(kernel)
    if (found !== layout && kernel !== undefined) logger.info({ found, wanted: layout }, 'table has another layout')
    // Before the rules that need them.
    if (config.nodePortLoopback && addresses !== undefined) putStandIns(addresses)
    const before = committer.writes
    if (kernel === undefined) await inTurns(committer.committing(fresh.pieces()), turns)
    else committer.commit(await inTurns(diffingTable(kernel, await inTurns(fresh.tabling(), turns)), turns))
    // Entries of conntrack may be older than this process, or than a commit that failed.
    if (reason !== 'resync' || committer.writes > before) committer.forget(allStalePorts(fresh.served(), servedBefore(kernel)))
    state = fresh
    draining.restore([])
    refusals.reset([...services.keys()].flatMap((key) => fresh.get(key) ?? []), refused)
    compare = edits === known ? undefined : 'edit'
    comparedAt = started
  }

  function* models(node: NodeModel): Generator<ServiceModel, void> {
    for (const service of services.values()) {
      const model = modelOf(service, node)
      if (model !== undefined) yield model
    }
  }

  /** Only what changed; in one transaction, unless it is large and replaces nothing. */
  async function applyChanges(current: ProxyState, signal: AbortSignal): Promise<void> {
    const node = areRangesDirty ? nodeModel() ?? current.node : current.node
    // Its addresses and pod ranges stand in chains, the former in every Service too, and hints name its zone.
    if (!isSamePlace(node, current.node)) {
      await compareAll('node', signal)
      return
    }
    // Should anything fail from here on, only a comparison knows what the kernel has.
    compare = 'failure'
    const known = edits
    const keys = [...dirty]
    dirty.clear()
    areRangesDirty = false
    const turns = { clock, signal }
    const change = await inTurns(current.applying(keys.map((key) => changeOf(key, node)), node), turns)
    await inTurns(committer.committing(change.transactions), turns)
    committer.forget(stalePorts(change.before, change.after))
    tell(keys, change, current)
    // A large change takes turns, and somebody may have told of an edit meanwhile.
    compare = edits === known ? undefined : 'edit'
  }

  function modelOf(service: Service, node: NodeModel): ServiceModel | undefined {
    const key = objectKey(service)
    const model = watchService(service, slices.by(byService, key), { nodeName, node, config, useLocalDns })
    if (model === undefined) draining.release(key)
    return model === undefined ? undefined : draining.hold(model, state?.get(key))
  }

  function changeOf(key: string, node: NodeModel): ServiceChange {
    const service = services.get(key)
    if (service === undefined) draining.release(key)
    return { key, model: service === undefined ? undefined : modelOf(service, node) }
  }

  function tell(keys: readonly string[], { refused, settled }: StateChange, current: ProxyState): void {
    refusals.settle(settled)
    for (const refusal of refused) refusals.tell(refusal)
    for (const key of keys) refusals.tellModel(key, current.get(key))
  }

  function wake(): void {
    progress.changed()
    reconciler.trigger()
  }

  function mark(key: string): void {
    dirty.add(key)
    wake()
  }

  function markRanges(): void {
    areRangesDirty = true
    wake()
  }

  return {
    async run(signal) {
      const ends = [
        services.subscribe(({ key }) => {
          upstream.serviceChanges.inc()
          mark(key)
        }),
        slices.subscribe(({ old, new: now }) => {
          progress.sliceChanged(old, now, reconciler.ready)
          for (const slice of [old, now]) if (slice !== undefined && slice.serviceName !== '') mark(`${slice.namespace}/${slice.serviceName}`)
        }),
        nodes.subscribe(({ old, new: now }) => {
          if (!isSameNode(old, now)) markRanges()
        }),
        blocks?.subscribe(markRanges),
        serviceCidrs?.subscribe(markRanges),
        local?.subscribe(markRanges),
      ]
      await reconciler.run(signal)
      for (const end of ends) end?.()
    },
    ready: () => allReady({ 'services in the kernel': reconciler.ready || reconciler.fault }),
    whenReady: (signal) => reconciler.whenReady(signal),
    settled: (signal) => reconciler.settled(signal),
    health: () => progress.health(reconciler.ready),
    serves: (key) => state?.get(key) !== undefined,
    probes: upstream.probes,
    dump: () => (state === undefined ? '# not known yet\n' : formatTable(state.table())),
    async explain(question) {
      const kernel = await nft.readInTurns('inet', tables.proxy, (work) => inTurns(work, { clock, signal: AbortSignal.timeout(explainMs) }))
      return state === undefined ? undefined : explain(state, kernel, question)
    },
    recheck() {
      edits += 1
      compare ??= 'edit'
      wake()
    },
    async useLocalDns(use, signal) {
      useLocalDns = use
      mark(config.dnsService)
      await reconciler.settled(signal)
    },
    get writes() {
      return committer.writes
    },
  }
}

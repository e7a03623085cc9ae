import { isDeepStrictEqual } from 'node:util'
import { forwardingSysctls, type IpBlock, links, type Node, type NodeName } from '@weft/api'
import { allReady, type Clock, type Logger, type Readiness, Reconciler, type Registry } from '@weft/daemon'
import type { Store } from '@weft/kube'
import { monitor, type MonitorEvent } from '@weft/netlink'
import { compileOverlay, type OverlayState } from './compile.ts'
import type { OverlayConfig } from './config.ts'
import { formatOverlay } from './format.ts'
import { concernsOverlay, eventGroups } from './kernel-events.ts'
import { overlayMetrics } from './metrics.ts'
import type { OverlayModel, OverlayNodes, Refusal } from './model.ts'
import { OverlayError } from './overlay-error.ts'
import { choosePath } from './path.ts'
import { type OverlayKernel, type Reconciled, reconcileOverlay } from './reconcile.ts'
import { findUplink } from './uplink.ts'
import { modelOf, watchNodes } from './watch.ts'

export interface OverlayDeps {
  readonly config: OverlayConfig
  readonly nodeName: NodeName
  readonly nodes: Store<Node>
  /** Absent where every node has its range in `spec.podCIDRs`. */
  readonly blocks: Store<IpBlock> | undefined
  readonly kernel: OverlayKernel
  /** Notifications of links, addresses, routes and rules. @default the kernel's, of this network namespace */
  readonly events?: ((signal: AbortSignal) => Promise<AsyncIterable<MonitorEvent>>) | undefined
  /** Writes sysctls of this network namespace; a refusal is logged and not fatal, for an administrator may have set them. */
  readonly writeSysctls: (values: Readonly<Record<string, string>>) => Promise<void>
  readonly clock: Clock
  readonly logger: Logger
  readonly registry: Registry
}

export interface Overlay {
  /** Keeps the kernel as wanted until aborted. */
  run(signal: AbortSignal): Promise<void>
  ready(): Readiness
  /** Links, routes and ruleset as `ip` and `nft` print them. */
  dump(): string
  /** Resolves when the kernel has the first paths. */
  whenReady(signal: AbortSignal): Promise<void>
  /** The kernel was edited by somebody else: compare it. */
  recheck(): void
  /** MTU for pod links in bytes. @throws {OverlayError} `ERR_OVERLAY_NO_NODE` before the overlay is ready. */
  readonly podMtuBytes: number
  /** Objects written since the start. */
  readonly writes: number
}

/** What was decided, and of what. */
interface Decision {
  readonly watched: OverlayNodes
  readonly model: OverlayModel
  readonly state: OverlayState
  readonly text: string
}

/** Changes come in bursts (a link that goes up is six events): least time between two comparisons, in milliseconds. */
const minIntervalMs = 50
/** After the stream of kernel events broke, in milliseconds. */
const reopenMs = 1000

const tunnelSysctls = [
  // Remote nodes answer pods through the tunnel although the main table has them on the uplink: loose, not strict (RFC 3704 §2.4).
  { [`net/ipv4/conf/${links.vxlan}/rp_filter`]: '2', [`net/ipv4/conf/${links.vxlan}/send_redirects`]: '0', [`net/ipv4/conf/${links.vxlan}/accept_redirects`]: '0' },
  // CVE-2020-10749: nothing that comes through the tunnel tells this node where routers are.
  { [`net/ipv6/conf/${links.vxlan}/accept_ra`]: '0', [`net/ipv6/conf/${links.vxlan}/accept_redirects`]: '0' },
] as const

export function createOverlay(deps: OverlayDeps): Overlay {
  const { config, nodeName, nodes, blocks, kernel, clock, logger, registry } = deps
  const metrics = overlayMetrics(registry)
  const firstPaths = Promise.withResolvers<void>()
  let isReady = false
  let writes = 0
  let watched: OverlayNodes | undefined
  let decided: Decision | undefined
  let current: { readonly model: OverlayModel, readonly state: OverlayState } | undefined
  /** What the kernel was last made to be; undefined when that is not known. */
  let applied: string | undefined
  /** Times the kernel may have been edited by somebody else. */
  let edits = 0
  let comparedAt = Number.NEGATIVE_INFINITY
  let refused: ReadonlySet<string> = new Set()

  const reconciler = new Reconciler({ name: 'overlay', clock, logger, registry, minIntervalMs, maxIntervalMs: config.resync, reconcile })

  async function reconcile(signal: AbortSignal): Promise<void> {
    await Promise.all([nodes.whenSynced(signal), blocks?.whenSynced(signal)])
    const { model, state, text } = decide()
    current = { model, state }
    report(model)
    // Most changes of Node objects change no path; the kernel is only read when one does, when it told of a change, and now and then.
    const due = clock.now() - comparedAt >= config.resync
    if (text === applied && !due) return
    // Unknown until all is done: an error below leaves the next run to compare.
    applied = undefined
    const seen = edits
    if (due) await writeSysctls(forwardingSysctls)
    const outcome = reconcileOverlay(kernel, state, model.uplink)
    comparedAt = clock.now()
    count(outcome, model, state)
    if (outcome.tunnelMade || (state.tunnel !== undefined && !isReady)) await writeSysctls(tunnelSysctls)
    if (!model.uplink.up) throw new OverlayError('ERR_OVERLAY_UPLINK_DOWN', `Cannot reach other nodes: link "${model.uplink.name}" is down, wanted up`)
    isReady = true
    firstPaths.resolve()
    if (outcome.faults.length > 0) throw new OverlayError('ERR_OVERLAY_INCOMPLETE', `Cannot write all paths: ${outcome.faults.length} refused, the first: ${outcome.faults[0]!.message}`, { cause: new AggregateError(outcome.faults) })
    // What was edited while this run waited is for the next one to find.
    if (edits === seen) applied = text
  }

  /** Paths as objects and uplink say. Nothing is decided again that has not changed: a cluster may have thousands of nodes. */
  function decide(): Decision {
    watched ??= watchNodes(nodeName, nodes.values(), blocks?.values() ?? [])
    if (watched === undefined) throw new OverlayError('ERR_OVERLAY_NO_NODE', `Cannot decide paths of node "${nodeName}": it has no Node object with an InternalIP yet, wanted one`)
    const uplink = findUplink(kernel.route, watched.self.ips, watched.peers[0]?.ips[0])
    if (decided?.watched === watched && isDeepStrictEqual(decided.model.uplink, uplink)) return decided
    const model = modelOf(watched, uplink)
    const state = compileOverlay(model, config)
    decided = { watched, model, state, text: `${uplink.index} ${formatOverlay(state, uplink.name)}` }
    return decided
  }

  function nodesChanged(): void {
    watched = undefined
    reconciler.trigger()
  }

  function count({ written, faults }: Reconciled, model: OverlayModel, { podMtuBytes }: OverlayState): void {
    writes += written
    metrics.writes.inc(written)
    metrics.faults.inc(faults.length)
    metrics.mtuBytes.set(podMtuBytes)
    for (const path of ['direct', 'vxlan', 'none'] as const) metrics.peers.set({ path }, countPeers(model, path))
    if (written > 0) logger.info({ written, peers: model.peers.length, mtu: podMtuBytes }, 'paths changed')
  }

  /** One line for each thing left out, when it is new. */
  function report({ refusals }: OverlayModel): void {
    const line = ({ node, what, reason }: Refusal): string => `${node}: ${what} ${reason}`
    for (const refusal of refusals) if (!refused.has(line(refusal))) logger.warn({ ...refusal }, 'left out of paths')
    refused = new Set(refusals.map(line))
    metrics.refused.set(refusals.length)
  }

  async function writeSysctls(groups: readonly Readonly<Record<string, string>>[]): Promise<void> {
    // One family may be missing from the kernel: the other is written all the same.
    for (const values of groups) {
      try {
        await deps.writeSysctls(values)
      } catch (error) {
        logger.warn({ err: error, sysctls: Object.keys(values) }, 'sysctls not written')
      }
    }
  }

  function countPeers({ self, peers, uplink }: OverlayModel, kind: 'direct' | 'vxlan' | 'none'): number {
    const family = self.ips[0]!.family
    return peers.filter((peer) => choosePath(self, peer, { uplink, config, family }).kind === kind).length
  }

  function recheck(): void {
    edits += 1
    applied = undefined
    reconciler.trigger()
  }

  /** A link that goes down takes its routes along without a word about them: watch links, and compare. */
  async function followKernel(signal: AbortSignal): Promise<void> {
    const open = deps.events ?? ((ends: AbortSignal) => monitor({ groups: eventGroups, signal: ends }))
    while (!signal.aborted) {
      try {
        const events = await open(signal)
        // What happened before the subscription stood was not told.
        if (isReady) recheck()
        for await (const event of events) if (concernsOverlay(event, current?.model)) recheck()
      } catch (error) {
        logger.warn({ err: error }, 'kernel events not followed')
      }
      if (!signal.aborted) await clock.sleep(reopenMs, { signal }).catch(() => undefined)
    }
  }

  return {
    async run(signal) {
      const ends = [nodes.subscribe(nodesChanged), blocks?.subscribe(nodesChanged)]
      watched = undefined
      await Promise.all([reconciler.run(signal), followKernel(signal)])
      for (const end of ends) end?.()
    },
    ready: () => allReady({ 'overlay paths': isReady || reconciler.fault }),
    dump: () => (current === undefined ? '# not known yet\n' : formatOverlay(current.state, current.model.uplink.name)),
    recheck,
    async whenReady(signal) {
      signal.throwIfAborted()
      const aborted = Promise.withResolvers<never>()
      const abort = (): void => aborted.reject(signal.reason)
      signal.addEventListener('abort', abort, { once: true })
      try {
        await Promise.race([firstPaths.promise, aborted.promise])
      } finally {
        signal.removeEventListener('abort', abort)
      }
    },
    get podMtuBytes() {
      if (current === undefined) throw new OverlayError('ERR_OVERLAY_NO_NODE', `Cannot tell MTU of pods on node "${nodeName}": its uplink is not known yet, wanted a first comparison`)
      return current.state.podMtuBytes
    },
    get writes() {
      return writes
    },
  }
}

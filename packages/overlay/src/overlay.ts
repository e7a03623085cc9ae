import { type IpBlock, links, type Node } from '@weft/api'
import { allReady, type Clock, type Logger, type Readiness, Reconciler, type Registry } from '@weft/daemon'
import type { Store } from '@weft/kube'
import { compileOverlay, type OverlayState } from './compile.ts'
import type { OverlayConfig } from './config.ts'
import { formatOverlay } from './format.ts'
import { overlayMetrics } from './metrics.ts'
import { OverlayError } from './overlay-error.ts'
import { choosePath } from './path.ts'
import { type OverlayKernel, reconcileOverlay } from './reconcile.ts'
import { findUplink } from './uplink.ts'
import { modelOf, watchNodes } from './watch.ts'
import type { OverlayModel } from './model.ts'

export interface OverlayDeps {
  readonly config: OverlayConfig
  readonly nodeName: string
  readonly nodes: Store<Node>
  /** Absent where every node has its range in `spec.podCIDRs`. */
  readonly blocks: Store<IpBlock> | undefined
  readonly kernel: OverlayKernel
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

/** How often the kernel is compared although nothing happened, in milliseconds. */
const resyncMs = 60_000

/** Forwarding is what a node of a cluster does. */
const forwarding = { 'net.ipv4.ip_forward': '1', 'net.ipv6.conf.all.forwarding': '1' }
/** Remote nodes answer pods through the tunnel although the main table has them on the uplink: loose, not strict (RFC 3704 §2.4). */
const tunnelSource = { [`net/ipv4/conf/${links.vxlan}/rp_filter`]: '2' }

export function createOverlay(deps: OverlayDeps): Overlay {
  const { config, nodeName, nodes, blocks, kernel, clock, logger, registry } = deps
  const metrics = overlayMetrics(registry)
  let writes = 0
  let current: { readonly model: OverlayModel, readonly state: OverlayState } | undefined
  let appliedText = ''
  let appliedAt = Number.NEGATIVE_INFINITY

  const reconciler = new Reconciler({ name: 'overlay', clock, logger, maxIntervalMs: resyncMs, reconcile })

  async function reconcile(signal: AbortSignal): Promise<void> {
    await Promise.all([nodes.whenSynced(signal), blocks?.whenSynced(signal)])
    const watched = watchNodes(nodeName, nodes.values(), blocks?.values() ?? [])
    if (watched === undefined) throw new OverlayError('ERR_OVERLAY_NO_NODE', `Cannot decide paths of node "${nodeName}": it has no Node object with an InternalIP yet`)
    const model = modelOf(watched, findUplink(kernel.route, watched.self.ips))
    const state = compileOverlay(model, config)
    const text = formatOverlay(state, model.uplink.name)
    current = { model, state }
    // Most changes of Node objects change no path; the kernel is only read when one does, and now and then for foreign edits.
    if (text === appliedText && clock.now() - appliedAt < resyncMs) return
    if (appliedText === '') await writeSysctls(forwarding)
    const written = reconcileOverlay(kernel, state, model.uplink)
    if (state.tunnel !== undefined && appliedText === '') await writeSysctls(tunnelSource)
    writes += written
    metrics.writes.inc(written)
    for (const path of ['direct', 'vxlan', 'none'] as const) metrics.peers.set({ path }, countPeers(model, path))
    if (written > 0) logger.info({ written, peers: model.peers.length, mtu: state.podMtuBytes }, 'paths changed')
    appliedText = text
    appliedAt = clock.now()
  }

  async function writeSysctls(values: Readonly<Record<string, string>>): Promise<void> {
    try {
      await deps.writeSysctls(values)
    } catch (error) {
      logger.warn({ err: error, sysctls: Object.keys(values) }, 'sysctls not written')
    }
  }

  function countPeers({ self, peers, uplink }: OverlayModel, kind: 'direct' | 'vxlan' | 'none'): number {
    const family = self.ips[0]!.family
    return peers.filter((peer) => choosePath(self, peer, { uplink, config, family }).kind === kind).length
  }

  return {
    async run(signal) {
      const ends = [nodes.subscribe(() => reconciler.trigger()), blocks?.subscribe(() => reconciler.trigger())]
      await reconciler.run(signal)
      for (const end of ends) end?.()
    },
    ready: () => allReady({ 'overlay paths': reconciler.ready }),
    dump: () => (current === undefined ? '# not known yet\n' : formatOverlay(current.state, current.model.uplink.name)),
    recheck() {
      appliedText = appliedText === '' ? '' : ' '
      reconciler.trigger()
    },
    whenReady: (signal) => reconciler.whenReady(signal),
    get podMtuBytes() {
      if (current === undefined) throw new OverlayError('ERR_OVERLAY_NO_NODE', `Cannot tell MTU of pods on node "${nodeName}": its uplink is not known yet`)
      return current.state.podMtuBytes
    },
    get writes() {
      return writes
    },
  }
}

import { type Attachment, putStandIns, tables } from '@weft/api'
import { allReady, type Clock, type Logger, type Readiness, Reconciler, type Registry } from '@weft/daemon'
import { type Cidr, formatIp } from '@weft/ip'
import type { Conntrack, RouteSocket } from '@weft/netlink'
import type { Nft } from '@weft/nftables'
import { PluginServer, type PluginServerOptions } from '@weft/plugin'
import { type Bridge, findBridge, makeBridge, whyNoBridge } from './bridge.ts'
import { cniVerbs } from './cni-verbs.ts'
import { Collector } from './collector.ts'
import type { CniConfig } from './config.ts'
import { HostPorts } from './host-ports.ts'
import { mendHostSide } from './host-side.ts'
import { createCniMetrics } from './metrics.ts'
import type { NetworkConfig } from './network-config.ts'
import { parseData } from './model.ts'
import { type PodDoor, shimDoor } from './pod-netns.ts'
import type { AttachmentKey, CniPorts } from './ports.ts'
import { findAttachments } from './rebuild.ts'
import { forgetHostPorts, Teardown } from './teardown.ts'
import type { VerbContext } from './verb-context.ts'
import { del } from './verbs/del.ts'
import { messageOf } from '@weft/daemon/message-of'

export interface CniDeps {
  readonly config: CniConfig
  readonly ports: CniPorts
  /** Opened in the node's namespace: host ends of pod links are born in the namespace of this socket. */
  readonly route: RouteSocket
  readonly nft: Nft
  /** Absent: connections of pods that are gone are left to their timeouts. */
  readonly conntrack?: Conntrack | undefined
  /** Networks whose traffic to elsewhere takes an address of the node; absent where an overlay sees to it. */
  readonly masquerade?: readonly Cidr[] | undefined
  /** Whether links can have token buckets. @default what the kernel says */
  readonly shaping?: boolean | undefined
  /** How pods' namespaces are reached. @default through what the shim passes */
  readonly door?: PodDoor | undefined
  /** Where calls come from. @default the socket the shim connects to */
  readonly serve?: ((options: PluginServerOptions<NetworkConfig>) => PluginServer<NetworkConfig>) | undefined
  /** Where the node's sysctls are. @default '/proc/sys' */
  readonly sysctlFolder?: string | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly registry: Registry
}

/** The CNI server of a node. */
export interface Cni {
  /** Adopts what is there, answers calls until aborted; resolves when the last call under way is answered. */
  run(signal: AbortSignal): Promise<void>
  ready(): Readiness
  /** Attachments and host ports as a table. */
  dump(): string
  /** Pods that are attached now: what policy covers first after a restart. */
  attachments(): readonly Attachment[]
  /** The kernel was edited by somebody else: compare table and links at once. */
  recheck(): void
  /** Changes made to the kernel outside of calls: transactions of the table, links mended. */
  readonly writes: number
}

export function createCni(deps: CniDeps): Cni {
  const { config, ports, route, nft, conntrack, masquerade, sysctlFolder = '/proc/sys', serve = (options) => new PluginServer(options), clock, logger, registry } = deps
  const { address, cover } = ports
  const attachments = (): ReturnType<typeof address.attachments> => address.attachments().filter(({ state }) => state !== 'releasing')
  const metrics = createCniMetrics(registry, () => attachments().length)
  const bridging = config.mode === 'bridge'
  const hostPorts = new HostPorts({ nft, logger, node: () => ports.node.addresses(), shaping: () => shaping, bridging, masquerade, forget: (list) => forgetHostPorts(conntrack, list), onMended: () => metrics.mended.inc({ what: 'table' }) })
  const teardown = new Teardown({ address, cover, route, conntrack, bridging, clock, logger })

  let server: PluginServer<NetworkConfig> | undefined
  let mends = 0
  let shaping = true
  let collector: Collector | undefined
  const upkeep = new Reconciler({
    name: 'cni-upkeep',
    clock,
    logger,
    maxIntervalMs: config.resync,
    reconcile: async () => {
      const failures: unknown[] = []
      try {
        await address.mend()
      } catch (error) {
        failures.push(error)
      }
      try {
        hostPorts.resync()
      } catch (error) {
        failures.push(error)
      }
      if (putStandIns(route)) mends += 1
      let bridge: Bridge | undefined
      try {
        bridge = keepBridge()
      } catch (error) {
        failures.push(error)
      }
      // Who is being wired is none that somebody changed.
      const { mended, errors } = mendHostSide(route, attachments().filter(({ containerId }) => server?.isBusy(containerId) !== true), { node: ports.node.addresses(), shaping, bridge })
      mends += mended.length
      metrics.mended.inc({ what: 'link' }, mended.length)
      if (mended.length > 0) logger.warn({ links: mended }, 'pod links mended')
      failures.push(...errors)
      try {
        metrics.collected.inc(await collector?.sweep() ?? 0)
      } catch (error) {
        failures.push(error)
      }
      if (failures.length > 0) throw new AggregateError(failures, `Cannot mend all of table, links and attachments: ${failures.map(messageOf).join('; ')}`)
    },
  })

  /** None where no pod is on one. */
  function keepBridge(): Bridge | undefined {
    if (!bridging && !attachments().some(({ data }) => parseData(data).bridged)) return undefined
    const found = findBridge(route)
    if (found !== undefined) return found
    const made = makeBridge(route, sysctlFolder)
    mends += 1
    return made
  }

  /** Pods go on with the addresses they have, and nobody else gets them. */
  async function rebuild(setAside: string, signal: AbortSignal): Promise<void> {
    const found = await findAttachments({ route, cachePath: config.runtimeCachePath, pods: ports.pods, logger })
    logger.error({ setAside, found: found.length }, 'the store of attachments could not be read: it is rebuilt from the kernel')
    for (const attachment of found) {
      if (address.find(attachment) !== undefined) continue
      await address.restore(attachment)
      await cover.cover(attachment, signal)
    }
  }

  return {
    async run(signal) {
      using door = deps.door ?? shimDoor(route)
      shaping = deps.shaping ?? route.hasTokenBuckets()
      if (!shaping) logger.warn({}, 'the kernel has no token buckets: limits of bandwidth drop packets instead of delaying them')
      const context: VerbContext = { config, ports, route, door, sysctlFolder, shaping, hostPorts, teardown, clock, logger, metrics }
      const plugin = serve({
        socketPath: config.socketPath, spoolPath: config.spoolPath, timeoutMs: config.addTimeout, spoolIntervalMs: config.spoolInterval,
        verbs: cniVerbs(context), clock, logger, metrics, signal,
      })
      server = plugin
      const release = (attachment: AttachmentKey, isGone: () => boolean): Promise<boolean> => plugin.inTurn(attachment.containerId, async () => {
        if (!isGone()) return false
        await del(context, attachment)
        return true
      })
      collector = new Collector({ address, pods: ports.pods, route, clock, graceMs: config.collectGrace, logger, release })
      await plugin.prepare()
      if (address.setAside !== undefined) await rebuild(address.setAside, signal)
      putStandIns(route)
      hostPorts.adopt(attachments())
      teardown.adopt()
      // Before the first ADD: what the spool says must go is gone, and pods cannot forge addresses.
      await plugin.replay()
      hostPorts.resync()
      await Promise.all([plugin.run(), teardown.run(signal), upkeep.run(signal)])
    },
    ready: () => allReady({ 'pod ranges': ports.trouble?.() ?? true, 'cni address ranges': address.ready || address.trouble, 'cni policy': cover.ready, [`cni table ${tables.cni}`]: upkeep.ready || upkeep.fault, ...bridging ? { 'cni bridge': whyNoBridge(sysctlFolder) ?? true } : {}, 'cni socket': server?.listening === true }),
    attachments,
    recheck: () => upkeep.trigger(),
    get writes() {
      return hostPorts.writes + mends
    },
    dump: () => [
      ...address.attachments().map(({ ips, namespace, name, ifname, hostIfname, state, containerId }) => `attachment ${ips.map(formatIp).join(' ')} ${namespace}/${name} ${ifname} ${hostIfname} ${state} ${containerId}\n`).sort(),
      hostPorts.dump(),
    ].join(''),
  }
}

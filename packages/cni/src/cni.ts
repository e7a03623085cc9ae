import { type Attachment, tables } from '@weft/api'
import { allReady, type Clock, Deadlines, type Logger, type Readiness, Reconciler, type Registry } from '@weft/daemon'
import { formatIp } from '@weft/ip'
import { type Conntrack, type FdRequest, netnsOfSocket, type RouteSocket, UnixFdServer } from '@weft/netlink'
import type { Nft } from '@weft/nftables'
import { CallHandler } from './call-handler.ts'
import { Collector } from './collector.ts'
import type { CniConfig } from './config.ts'
import { decodeCall, encodeReply } from './frame.ts'
import { HostPorts } from './host-ports.ts'
import { mendHostSide } from './host-side.ts'
import { KeyedQueue } from './keyed-queue.ts'
import { createCniMetrics } from './metrics.ts'
import type { AttachmentKey, CniPorts } from './ports.ts'
import { closeAll } from './pod-netns.ts'
import { findAttachments } from './rebuild.ts'
import { Spool } from './spool.ts'
import { putStandIns } from './stand-ins.ts'
import { forgetHostPorts, Teardown } from './teardown.ts'
import type { VerbContext } from './verb-context.ts'
import { del } from './verbs/del.ts'
import { messageOf } from './message-of.ts'

export interface CniDeps {
  readonly config: CniConfig
  readonly ports: CniPorts
  /** Opened in the node's namespace: host ends of pod links are born in the namespace of this socket. */
  readonly route: RouteSocket
  readonly nft: Nft
  /** Absent: connections of pods that are gone are left to their timeouts. */
  readonly conntrack?: Conntrack | undefined
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
  const { config, ports, route, nft, conntrack, clock, logger, registry } = deps
  const { address, cover } = ports
  const attachments = (): ReturnType<typeof address.attachments> => address.attachments().filter(({ state }) => state !== 'releasing')
  const metrics = createCniMetrics(registry, () => attachments().length)
  const hostPorts = new HostPorts({ nft, logger, node: () => ports.node.addresses(), forget: (list) => forgetHostPorts(conntrack, list), onMended: () => metrics.mended.inc({ what: 'table' }) })
  const teardown = new Teardown({ address, cover, route, conntrack, clock, logger })
  const spool = new Spool(config.spoolPath)

  let listening = false
  let mends = 0
  let collector: Collector | undefined
  const upkeep = new Reconciler({
    name: 'cni-upkeep',
    clock,
    logger,
    maxIntervalMs: config.resync,
    reconcile: async () => {
      const failures: unknown[] = []
      try {
        hostPorts.resync()
      } catch (error) {
        failures.push(error)
      }
      if (putStandIns(route)) mends += 1
      const { mended, errors } = mendHostSide(route, attachments(), ports.node.addresses())
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

  async function serve(handler: CallHandler, signal: AbortSignal): Promise<void> {
    await using server = UnixFdServer.listen({
      path: config.socketPath,
      deadlines: new Deadlines(clock),
      onFault: (error, peer) => logger.warn({ error: String(error), peer }, 'plugin connection closed'),
    })
    const stop = (): void => void server[Symbol.asyncDispose]()
    signal.addEventListener('abort', stop, { once: true })
    if (signal.aborted) return
    listening = true
    logger.info({ path: config.socketPath }, 'listening for the CNI plugin')
    const underWay = new Set<Promise<void>>()
    for await (const request of server) {
      const answered = answer(handler, request).finally(() => underWay.delete(answered))
      underWay.add(answered)
    }
    await Promise.allSettled(underWay)
    listening = false
  }

  async function answer(handler: CallHandler, request: FdRequest): Promise<void> {
    let call
    try {
      call = decodeCall(request.data)
    } catch (error) {
      closeAll(request.fds)
      return await request.reply(encodeReply({ exitCode: 1, stdout: `${JSON.stringify({ cniVersion: '1.1.0', code: 6, msg: messageOf(error) })}\n` }))
    }
    await request.reply(encodeReply(await handler.handle(call, request.fds)))
  }

  /** A plugin may have missed the agent by a moment and spooled; the timeout of the runtime does not matter to a DEL. */
  async function watchSpool(handler: CallHandler, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (!spool.isEmpty()) await handler.replay()
      } catch (error) {
        logger.warn({ path: config.spoolPath, error: messageOf(error) }, 'spool not readable, it is tried again')
      }
      await clock.sleep(config.spoolInterval, { signal }).catch(() => undefined)
    }
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
      using nodeNetns = netnsOfSocket(route.socket.fd)
      const context: VerbContext = { config, ports, route, nodeNetnsFd: nodeNetns.fd, hostPorts, teardown, clock, logger, metrics }
      const queue = new KeyedQueue()
      const handler = new CallHandler(context, { spool, queue, signal })
      const release = (attachment: AttachmentKey, isGone: () => boolean): Promise<boolean> => queue.run(attachment.containerId, async () => {
        if (!isGone()) return false
        await del(context, attachment)
        return true
      })
      collector = new Collector({ address, pods: ports.pods, route, clock, graceMs: config.collectGrace, logger, release })
      await spool.prepare()
      if (address.setAside !== undefined) await rebuild(address.setAside, signal)
      putStandIns(route)
      hostPorts.adopt(attachments())
      teardown.adopt()
      // Before the first ADD: what the spool says must go is gone, and pods cannot forge addresses.
      await handler.replay()
      hostPorts.resync()
      await Promise.all([serve(handler, signal), teardown.run(signal), upkeep.run(signal), watchSpool(handler, signal)])
    },
    ready: () => allReady({ 'cni address ranges': address.ready, 'cni policy': cover.ready, [`cni table ${tables.cni}`]: upkeep.ready, 'cni socket': listening }),
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

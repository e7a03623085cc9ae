import { links, protocolNumbers } from '@weft/api'
import { type Clock, type Logger, Reconciler } from '@weft/daemon'
import type { IfIndex, IpAddress } from '@weft/ip'
import type { Conntrack, RouteSocket } from '@weft/netlink'
import { forgetOnBridge, sweepBridge } from './bridge.ts'
import { type HostPort, parseData } from './model.ts'
import type { AddressPort, AttachmentKey, CoverPort, StoredAttachment } from './ports.ts'

export interface TeardownDeps {
  readonly address: AddressPort
  readonly cover: CoverPort
  readonly route: RouteSocket
  readonly conntrack: Pick<Conntrack, 'deleteWhere' | 'deleteMatching'> | undefined
  /** Whether pods are made ports of the bridge from now on. */
  readonly bridging: boolean
  readonly clock: Clock
  readonly logger: Logger
}

const hostIfnamePattern = new RegExp(`^${links.podPrefix}[0-9a-f]{${15 - links.podPrefix.length}}$`)

/** True for names that only host ends of our pod links have. */
export function isHostIfname(name: string): boolean {
  return hostIfnamePattern.test(name)
}

/**
 * Takes attachments apart behind the answer of DEL: link, filter, connections, addresses, in that order, so that an
 * address is given again only when nothing of its last owner is left. The store knows what is leaving (state
 * `releasing`), so a new agent goes on where the last one stopped. Links are deleted in groups: the kernel waits once per
 * call, not once per link.
 */
export class Teardown {
  readonly #deps: TeardownDeps
  readonly #reconciler: Reconciler
  /**
   * Links of ours that belong to no attachment: of an ADD that never got as far as the store. By index: the next ADD of the same container makes one
   * of the same name, which must not go with it.
   */
  readonly #orphans = new Set<IfIndex>()
  /** Indexes of links made since the start: looking for one waits for whoever changes links, and with it everybody else waits. */
  readonly #known = new Map<string, IfIndex>()

  constructor(deps: TeardownDeps) {
    this.#deps = deps
    this.#reconciler = new Reconciler({ name: 'cni-teardown', reconcile: () => this.#reconcile(), clock: deps.clock, logger: deps.logger })
  }

  run(signal: AbortSignal): Promise<void> {
    return this.#reconciler.run(signal)
  }

  /**
   * Begins to take one attachment apart. Resolves when that is on disk, or with `wait` when it is over.
   *
   * @param hostIfname Also removed when the store knows nothing of the attachment.
   */
  async remove(key: AttachmentKey, hostIfname: string, { wait = false }: { readonly wait?: boolean } = {}): Promise<void> {
    const { address } = this.#deps
    if (await address.beginRelease(key) === undefined) {
      this.#known.delete(hostIfname)
      const link = this.#deps.route.findLink(hostIfname)
      if (link === undefined) return
      this.#orphans.add(link.index)
    }
    if (wait) await this.#reconciler.settled()
    else this.#reconciler.trigger()
  }

  /** A link that was made, by its number. */
  remember(hostIfname: string, index: IfIndex): void {
    this.#known.set(hostIfname, index)
  }

  /** Removes a link alone; what the store has of it stays. */
  removeLink(hostIfname: string): void {
    const link = this.#deps.route.findLink(hostIfname)
    if (link === undefined) return
    this.#orphans.add(link.index)
    this.#reconciler.trigger()
  }

  /** Finds links of ours, and addresses on the bridge, that no attachment owns; called once, before the first ADD. */
  adopt(): void {
    const attachments = this.#deps.address.attachments()
    sweepBridge(this.#deps.route, attachments.filter(isBridged).flatMap(({ ips }) => ips), { wanted: this.#deps.bridging })
    const owned = new Set(attachments.map(({ hostIfname }) => hostIfname))
    const ownerless = this.#deps.route.links({ kind: 'veth' }).filter(({ name }) => isHostIfname(name) && !owned.has(name))
    for (const { index } of ownerless) this.#orphans.add(index)
    if (ownerless.length > 0) this.#deps.logger.info({ links: ownerless.map(({ name }) => name) }, 'links without an attachment are removed')
    this.#reconciler.trigger()
  }

  async #reconcile(): Promise<void> {
    const { address, route } = this.#deps
    const leaving = address.attachments().filter(({ state }) => state === 'releasing')
    const orphans = [...this.#orphans]
    const indexes = new Set([...leaving.flatMap(({ hostIfname }) => this.#known.get(hostIfname) ?? route.findLink(hostIfname)?.index ?? []), ...orphans])
    await route.deleteLinks([...indexes])
    for (const { hostIfname } of leaving) this.#known.delete(hostIfname)
    for (const index of orphans) this.#orphans.delete(index)
    const results = await Promise.allSettled(leaving.map((attachment) => this.#release(attachment)))
    const errors = results.flatMap((result) => result.status === 'rejected' ? [result.reason as unknown] : [])
    if (errors.length > 0) throw new AggregateError(errors, `Cannot release ${errors.length} of ${leaving.length} attachments: ${String(errors[0])}`)
  }

  async #release(attachment: StoredAttachment): Promise<void> {
    if (isBridged(attachment)) forgetOnBridge(this.#deps.route, attachment.ips)
    await this.#deps.cover.uncover(attachment)
    for (const ip of attachment.ips) forgetAddress(this.#deps.conntrack, ip)
    await this.#deps.address.release(attachment)
  }
}

function isBridged({ data }: StoredAttachment): boolean {
  return parseData(data).bridged
}

/** A connection that outlives its pod would lead the next owner of the address astray (faults C2-2, C2-5). */
function forgetAddress(conntrack: TeardownDeps['conntrack'], address: IpAddress): void {
  conntrack?.deleteWhere({ origSrc: address })
  conntrack?.deleteWhere({ replySrc: address })
}

/** UDP to a host port may be pinned to where it went before: to nobody, or to the pod that had the port (NET-29). */
export function forgetHostPorts(conntrack: TeardownDeps['conntrack'], hostPorts: readonly HostPort[]): void {
  for (const { protocol, hostPort, podIp } of hostPorts) {
    if (protocol !== 'UDP') continue
    conntrack?.deleteMatching({ family: podIp.family, protocol: protocolNumbers.UDP, origDport: hostPort }, ({ reply }) => reply.source.bits !== podIp.bits)
  }
}

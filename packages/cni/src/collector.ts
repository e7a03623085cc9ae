import { existsSync } from 'node:fs'
import { keyText } from '@weft/allocator'
import type { Clock, Logger } from '@weft/daemon'
import type { RouteSocket } from '@weft/netlink'
import type { AddressPort, PodsPort, StoredAttachment } from './ports.ts'

export interface CollectorDeps {
  readonly address: Pick<AddressPort, 'attachments' | 'find'>
  readonly pods: PodsPort | undefined
  readonly route: Pick<RouteSocket, 'links' | 'findLink'>
  readonly clock: Clock
  /** Between the first sighting and the last. */
  readonly graceMs: number
  readonly logger: Logger
  /** As DEL of the runtime, after calls of the same container; `isGone` is asked when it is its turn. */
  readonly release: (attachment: StoredAttachment, isGone: () => boolean) => Promise<boolean>
}

/**
 * Finds attachments that nobody will take away: their link is gone, their namespace is gone and no such pod is on this
 * node, or it has a link of another container; seen twice with a grace period between. A runtime that forgets its DELs, or a node that was rebooted, leaves them.
 */
export class Collector {
  readonly #deps: CollectorDeps
  /** When each was first seen to be gone. */
  readonly #firstSeen = new Map<string, number>()

  constructor(deps: CollectorDeps) {
    this.#deps = deps
  }

  /** Looks once. @returns How many were released. */
  async sweep(): Promise<number> {
    const { address, route, clock, graceMs, release, logger } = this.#deps
    const links = new Set(route.links({ kind: 'veth' }).map(({ name }) => name))
    const now = clock.now()
    const gone = address.attachments().filter((attachment) => attachment.state !== 'releasing' && this.#isGone(attachment, (name) => links.has(name)))
    const keys = new Set(gone.map(keyText))
    for (const key of this.#firstSeen.keys()) if (!keys.has(key)) this.#firstSeen.delete(key)
    let released = 0
    for (const attachment of gone) {
      const key = keyText(attachment)
      const firstSeen = this.#firstSeen.get(key)
      if (firstSeen === undefined) this.#firstSeen.set(key, now)
      else if (now - firstSeen >= graceMs && await release(attachment, () => this.#isStillGone(attachment))) {
        this.#firstSeen.delete(key)
        released += 1
        logger.warn({ container: attachment.containerId, ifname: attachment.ifname, pod: `${attachment.namespace}/${attachment.name}` }, 'attachment of nobody released')
      }
    }
    return released
  }

  #isStillGone(seen: StoredAttachment): boolean {
    const attachment = this.#deps.address.find(seen)
    return attachment !== undefined && attachment.state !== 'releasing' && this.#isGone(attachment, (name) => this.#deps.route.findLink(name) !== undefined)
  }

  #isGone(attachment: StoredAttachment, hasLink: (name: string) => boolean): boolean {
    if (hasLink(attachment.hostIfname) || namespaceLives(attachment.netns)) return false
    // Not knowing is no proof.
    return this.#deps.pods === undefined || this.#deps.pods.has(attachment) === false || this.#isSuperseded(attachment, hasLink)
  }

  /** A pod has one sandbox at a time: a runtime that made a new one has left this. */
  #isSuperseded({ containerId, ifname, namespace, name, uid }: StoredAttachment, hasLink: (name: string) => boolean): boolean {
    return uid !== undefined && this.#deps.address.attachments().some((other) => other.uid === uid && other.namespace === namespace && other.name === name && other.ifname === ifname && other.containerId !== containerId && hasLink(other.hostIfname))
  }
}

/** A process id may be somebody else's by now, so only a path of its own says anything. */
function namespaceLives(netns: string): boolean {
  return netns !== '' && !netns.startsWith('/proc/') && existsSync(netns)
}

import { routeProtocols } from '@weft/api'
import { firstIp, formatIp } from '@weft/ip'
import { ensureDone, type RouteSocket } from '@weft/netlink'
import { messageOf } from '@weft/daemon/message-of'
import { isBucketOf } from './bandwidth.ts'
import type { Bridge } from './bridge.ts'
import { parseData } from './model.ts'
import { mainTable } from './pod-route.ts'
import type { NodeAddresses, StoredAttachment } from './ports.ts'
import { hostRequests } from './wire.ts'

export interface HostSideOutcome {
  /** Names of links. */
  readonly mended: readonly string[]
  /** One for each link that could not be mended. */
  readonly errors: readonly Error[]
}

interface MendOptions {
  readonly node: NodeAddresses
  /** Whether links have token buckets. */
  readonly shaping: boolean
  /** Those that are ports of it are left alone where it is not there. */
  readonly bridge?: Bridge | undefined
}

/**
 * Compares the node's ends of pod links with the attachments and mends what differs: a link set down, a route gone or
 * with an old source address. Reads two tables, writes nothing when nothing differs. A link that the kernel refuses
 * leaves the others to be mended.
 */
export function mendHostSide(route: RouteSocket, attachments: readonly StoredAttachment[], { node, shaping, bridge }: MendOptions): HostSideOutcome {
  const links = new Map(route.links({ kind: 'veth' }).map((link) => [link.name, link]))
  const routes = new Map(route.routes({ table: mainTable, protocol: routeProtocols.cni }).map((entry) => [formatIp(firstIp(entry.destination)), entry]))
  const limited = shaping && attachments.some(({ data }) => parseData(data).bandwidth?.ingress !== undefined)
  const buckets = new Map(limited ? route.tokenBuckets().map((bucket) => [bucket.ifIndex, bucket]) : [])
  const places = new Map(bridge === undefined ? [] : route.fdb().filter((entry) => entry.static).map(({ mac, ifIndex }) => [mac, ifIndex]))
  const mended: string[] = []
  const errors: Error[] = []
  for (const attachment of attachments) {
    const link = links.get(attachment.hostIfname)
    if (link === undefined || attachment.state === 'releasing') continue
    const { podMac, bandwidth: wanted, bridged } = parseData(attachment.data)
    if (bridged && bridge === undefined) continue
    const over = bridged ? bridge : undefined
    const bandwidth = shaping ? wanted : undefined
    const limitHolds = bandwidth?.ingress === undefined || isBucketOf(buckets.get(link.index), bandwidth.ingress, link.mtu)
    const isInPlace = over === undefined || (link.master === over.index && places.get(podMac) === link.index)
    const isReached = attachment.ips.every((ip) => {
      const entry = routes.get(formatIp(ip))
      return entry?.ifIndex === (over ?? link).index && entry.source?.bits === node[ip.family]?.bits
    })
    if (link.up && limitHolds && isInPlace && isReached) continue
    try {
      ensureDone(route.transact(hostRequests(link.index, { ips: attachment.ips, podMac, node, bandwidth, mtu: link.mtu, bridge: over })))
      mended.push(attachment.hostIfname)
    } catch (error) {
      errors.push(new Error(`Cannot mend link "${attachment.hostIfname}": ${messageOf(error)}`, { cause: error }))
    }
  }
  return { mended, errors }
}

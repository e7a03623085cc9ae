import { routeProtocols } from '@weft/api'
import { firstIp, formatIp } from '@weft/ip'
import { ensureDone, type RouteSocket } from '@weft/netlink'
import { messageOf } from '@weft/daemon/message-of'
import { isBucketOf } from './bandwidth.ts'
import { parseData } from './model.ts'
import type { NodeAddresses, StoredAttachment } from './ports.ts'
import { hostRequests } from './wire.ts'

const mainTable = 254

export interface HostSideOutcome {
  /** Names of links. */
  readonly mended: readonly string[]
  /** One for each link that could not be mended. */
  readonly errors: readonly Error[]
}

/**
 * Compares the node's ends of pod links with the attachments and mends what differs: a link set down, a route gone or
 * with an old source address. Reads two tables, writes nothing when nothing differs. A link that the kernel refuses
 * leaves the others to be mended.
 */
export function mendHostSide(route: RouteSocket, attachments: readonly StoredAttachment[], { node, shaping }: { readonly node: NodeAddresses, readonly shaping: boolean }): HostSideOutcome {
  const links = new Map(route.links({ kind: 'veth' }).map((link) => [link.name, link]))
  const routes = new Map(route.routes({ table: mainTable, protocol: routeProtocols.cni }).map((entry) => [formatIp(firstIp(entry.destination)), entry]))
  const limited = shaping && attachments.some(({ data }) => parseData(data).bandwidth?.ingress !== undefined)
  const buckets = new Map(limited ? route.tokenBuckets().map((bucket) => [bucket.ifIndex, bucket]) : [])
  const mended: string[] = []
  const errors: Error[] = []
  for (const attachment of attachments) {
    const link = links.get(attachment.hostIfname)
    if (link === undefined || attachment.state === 'releasing') continue
    const { podMac, bandwidth: wanted } = parseData(attachment.data)
    const bandwidth = shaping ? wanted : undefined
    const whole = link.up && (bandwidth?.ingress === undefined || isBucketOf(buckets.get(link.index), bandwidth.ingress, link.mtu)) && attachment.ips.every((ip) => {
      const entry = routes.get(formatIp(ip))
      return entry?.ifIndex === link.index && entry.source?.bits === node[ip.family]?.bits
    })
    if (whole) continue
    try {
      ensureDone(route.transact(hostRequests(link.index, { ips: attachment.ips, podMac, node, bandwidth, mtu: link.mtu })))
      mended.push(attachment.hostIfname)
    } catch (error) {
      errors.push(new Error(`Cannot mend link "${attachment.hostIfname}": ${messageOf(error)}`, { cause: error }))
    }
  }
  return { mended, errors }
}

import { routeProtocols } from '@weft/api'
import { firstIp, formatIp } from '@weft/ip'
import { ensureDone, type RouteSocket } from '@weft/netlink'
import { parseData } from './model.ts'
import type { NodeAddresses, StoredAttachment } from './ports.ts'
import { hostRequests } from './wire.ts'

const mainTable = 254

/**
 * Compares the node's ends of pod links with the attachments and mends what differs: a link set down, a route gone or
 * with an old source address. Reads two tables, writes nothing when nothing differs.
 *
 * @returns Names of the links mended.
 */
export function mendHostSide(route: RouteSocket, attachments: readonly StoredAttachment[], node: NodeAddresses): readonly string[] {
  const links = new Map(route.links({ kind: 'veth' }).map((link) => [link.name, link]))
  const routes = new Map(route.routes({ table: mainTable, protocol: routeProtocols.cni }).map((entry) => [formatIp(firstIp(entry.destination)), entry]))
  const mended: string[] = []
  for (const attachment of attachments) {
    const link = links.get(attachment.hostIfname)
    if (link === undefined || attachment.state === 'releasing') continue
    const whole = link.up && attachment.ips.every((ip) => {
      const entry = routes.get(formatIp(ip))
      return entry?.ifIndex === link.index && entry.source?.bits === node[ip.family]?.bits
    })
    if (whole) continue
    ensureDone(route.transact(hostRequests(link.index, { ips: attachment.ips, podMac: parseData(attachment.data).podMac, node })))
    mended.push(attachment.hostIfname)
  }
  return mended
}

import { cidrFrom, equalIp, formatIp, type IpAddress } from '@weft/ip'
import type { RouteSocket } from '@weft/netlink'
import { OverlayError } from './overlay-error.ts'
import type { Uplink } from './model.ts'

/**
 * Finds the link that has one of the node's addresses.
 *
 * @throws {OverlayError} `ERR_OVERLAY_NO_UPLINK` when no link has it: the Node object names an address of another machine.
 */
export function findUplink(route: RouteSocket, ips: readonly IpAddress[]): Uplink {
  const addresses = route.addresses()
  const own = addresses.find(({ address }) => ips.some((ip) => equalIp(ip, address)))
  if (own === undefined) throw new OverlayError('ERR_OVERLAY_NO_UPLINK', `Cannot find uplink: no link has the node's address ${ips.map(formatIp).join(' or ')}`)
  const link = route.link(own.ifIndex)
  return {
    index: link.index,
    name: link.name,
    mtuBytes: link.mtu,
    networks: addresses.filter(({ ifIndex }) => ifIndex === own.ifIndex).map(({ address, prefix }) => cidrFrom(address, prefix)),
  }
}

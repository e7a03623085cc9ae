import { cidrFrom, equalIp, formatIp, type IpAddress } from '@weft/ip'
import type { Link, RouteSocket } from '@weft/netlink'
import { OverlayError } from './overlay-error.ts'
import type { Uplink } from './model.ts'

/** ARPHRD_LOOPBACK of linux/if_arp.h. */
const loopbackHardware = 772

/**
 * Finds the link that has one of the node's addresses. Where that is a loopback or dummy (nodes that speak BGP have their
 * address there), it is the link that leads to `towards`, and no peer counts as being on it.
 *
 * @param towards Address of any peer.
 * @throws {OverlayError} `ERR_OVERLAY_NO_UPLINK` when no link has it: the Node object names an address of another machine.
 */
export function findUplink(route: Pick<RouteSocket, 'addresses' | 'link' | 'lookupRoute'>, ips: readonly IpAddress[], towards: IpAddress | undefined): Uplink {
  const all = route.addresses()
  const own = ips.flatMap((ip) => all.find(({ address }) => equalIp(ip, address)) ?? [])
  const [first] = own
  if (first === undefined) throw new OverlayError('ERR_OVERLAY_NO_UPLINK', `Cannot find uplink: no link has the node's address ${ips.map(formatIp).join(' or ')}, wanted one of them on a link`)
  const holder = route.link(first.ifIndex)
  const real = isReal(holder)
  const link = real ? holder : leadingTo(route, towards) ?? holder
  return {
    index: link.index,
    name: link.name,
    up: link.up,
    mtuBytes: link.mtu,
    networks: real ? all.filter(({ ifIndex, scope }) => ifIndex === link.index && scope !== 'link').map(({ address, prefix }) => cidrFrom(address, prefix)) : [],
    addresses: own.map(({ address }) => address),
  }
}

function isReal({ hardware, kind }: Link): boolean {
  return hardware !== loopbackHardware && kind !== 'dummy'
}

function leadingTo(route: Pick<RouteSocket, 'link' | 'lookupRoute'>, towards: IpAddress | undefined): Link | undefined {
  const index = towards === undefined ? undefined : route.lookupRoute(towards)?.ifIndex
  return index === undefined ? undefined : route.link(index)
}

import { loopbackStandIns } from '@weft/api'
import { type IpAddress, parseIp } from '@weft/ip'
import type { RouteSocket } from '@weft/netlink'

const loopbackLink = 1
const standIns: readonly IpAddress[] = [parseIp(loopbackStandIns.ipv4), parseIp(loopbackStandIns.ipv6)]

/**
 * Puts on `lo` what stands in for its addresses (compile.ts), unless it is there. They stay: nobody else has a use for
 * them, and somebody may be on his way.
 *
 * @returns Whether one was missing.
 */
export function putStandIns(route: RouteSocket): boolean {
  const held = route.addresses({ ifIndex: loopbackLink })
  const missing = standIns.filter(({ family, bits }) => !held.some(({ address }) => address.family === family && address.bits === bits))
  for (const address of missing) route.replaceAddress({ ifIndex: loopbackLink, address, prefix: address.family === 4 ? 32 : 128, scope: 'host', ...address.family === 6 ? { noDad: true } : {} })
  return missing.length > 0
}

import { loopbackStandIns } from '@weft/api'
import { parseIp } from '@weft/ip'
import type { InterfaceAddressSpec } from '@weft/netlink'

/** What puts addresses on links; `RouteSocket` of the netlink package is one. */
export interface AddressTable {
  replaceAddress(spec: InterfaceAddressSpec): void
}

const loopbackLink = 1

/** Puts on `lo` what stands in for its addresses (see table.ts). They stay: nobody else has a use for them, and somebody may be on his way. */
export function putStandIns(addresses: AddressTable): void {
  addresses.replaceAddress({ ifIndex: loopbackLink, address: parseIp(loopbackStandIns.ipv4), prefix: 32, scope: 'host' })
  addresses.replaceAddress({ ifIndex: loopbackLink, address: parseIp(loopbackStandIns.ipv6), prefix: 128, scope: 'host', noDad: true })
}

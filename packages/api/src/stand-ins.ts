import { equalIp, type IfIndex, type IpAddress, loopbackIfIndex, parseIp } from '@weft/ip'
import { loopbackStandIns } from './kernel.ts'

interface StandIn {
  readonly ifIndex: IfIndex
  readonly address: IpAddress
  readonly prefix: number
  readonly scope: 'host'
  readonly noDad?: boolean
}

/** What puts addresses on links; `RouteSocket` of @weft/netlink is one. */
export interface AddressTable {
  addresses(filter: { readonly ifIndex: IfIndex }): readonly { readonly address: IpAddress }[]
  replaceAddress(spec: StandIn): void
}

const standIns: readonly StandIn[] = [
  { ifIndex: loopbackIfIndex, address: parseIp(loopbackStandIns.ipv4), prefix: 32, scope: 'host' },
  { ifIndex: loopbackIfIndex, address: parseIp(loopbackStandIns.ipv6), prefix: 128, scope: 'host', noDad: true },
]

/**
 * Puts on `lo` what stands in for its addresses, unless it is there. They stay: nobody else has a use for them, and somebody may be on his way.
 *
 * @returns Whether one was missing.
 */
export function putStandIns(table: AddressTable): boolean {
  const held = table.addresses({ ifIndex: loopbackIfIndex })
  const missing = standIns.filter((standIn) => !held.some(({ address }) => equalIp(address, standIn.address)))
  for (const standIn of missing) table.replaceAddress(standIn)
  return missing.length > 0
}

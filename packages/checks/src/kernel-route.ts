import type { NodeName } from '@weft/api'
import { type Cidr, cidrContains, cidrFrom, formatIp, type IpAddress, ipFromBits } from '@weft/ip'
import { ensure } from './check.ts'
import type { Asker } from './ask.ts'

/** A route of the main table as `/proc/net` shows it: what a node's kernel does, whatever a program says. */
export interface KernelRoute {
  readonly destination: Cidr
  readonly device: string
  /** Absent where the destination is on the link. */
  readonly via: IpAddress | undefined
}

/** Reads the routes of a node. */
export async function kernelRoutes(asker: Asker, node: NodeName): Promise<readonly KernelRoute[]> {
  const [v4, v6] = (await asker.from({ kind: 'node', name: node }, { kind: 'routes' })).map((text) => text.trim().split('\n')) as [string[], string[]]
  return [...v4.slice(1).filter(Boolean).map(readIpv4Route), ...v6.filter(Boolean).map(readIpv6Route)]
}

/** The route a packet to `ip` takes: the most specific one, and not the one of a local address. */
export function routeTo(routes: readonly KernelRoute[], ip: IpAddress): KernelRoute {
  const [best] = routes.filter(({ destination, device }) => device !== 'lo' && cidrContains(destination, ip)).sort((a, b) => b.destination.prefix - a.destination.prefix)
  ensure(best !== undefined, `no route leads to ${formatIp(ip)}`)
  return best
}

/** As `ip route` would say it: `via 172.30.1.12 dev eth0`. */
export function formatKernelRoute({ via, device }: KernelRoute): string {
  return `${via === undefined ? '' : `via ${formatIp(via)} `}dev ${device}`
}

/** `/proc/net/route`: Iface Destination Gateway Flags RefCnt Use Metric Mask; addresses as little-endian hex. */
function readIpv4Route(line: string): KernelRoute {
  const [device, destination, gateway, , , , , mask] = line.trim().split(/\s+/)
  const address = (hex: string): IpAddress => ipFromBits(4, BigInt(Buffer.from(hex, 'hex').readUInt32LE()))
  const prefix = address(mask!).bits.toString(2).replaceAll('0', '').length
  const via = address(gateway!)
  return { device: device!, destination: cidrFrom(address(destination!), prefix), via: via.bits === 0n ? undefined : via }
}

/** `/proc/net/ipv6_route`: destination, prefix length, source, its length, next hop, metric, counters, flags, device; all hex. */
function readIpv6Route(line: string): KernelRoute {
  const [destination, prefix, , , gateway, , , , , device] = line.trim().split(/\s+/)
  const via = ipFromBits(6, BigInt(`0x${gateway!}`))
  return { device: device!, destination: cidrFrom(ipFromBits(6, BigInt(`0x${destination!}`)), Number.parseInt(prefix!, 16)), via: via.bits === 0n ? undefined : via }
}


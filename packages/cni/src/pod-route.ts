import { podGateways } from '@weft/api'
import { type Cidr, type Family, formatCidr, formatIp, type IpAddress, parseCidr, parseIp } from '@weft/ip'
import type { ResultRoute } from '@weft/plugin'

const gateways: Readonly<Record<Family, IpAddress>> = { 4: parseIp(podGateways.ipv4), 6: parseIp(podGateways.ipv6) }
const defaults: Readonly<Record<Family, Cidr>> = { 4: parseCidr('0.0.0.0/0'), 6: parseCidr('::/0') }

/** `main` of /etc/iproute2/rt_tables: where routes to and of pods are. */
export const mainTable = 254

/** An address as a network of its own. */
export function hostPrefix({ family }: IpAddress): number {
  return family === 4 ? 32 : 128
}

/** The next hop of every pod: link-local, on no interface, known to the pod by a static neighbour only. */
export function podGateway(family: Family): IpAddress {
  return gateways[family]
}

/** `0.0.0.0/0` or `::/0`. */
export function everywhere(family: Family): Cidr {
  return defaults[family]
}

/** Routes as the result of ADD tells them: one default route per family. */
export function podRoutes(ips: readonly IpAddress[]): readonly ResultRoute[] {
  return ips.map(({ family }) => ({ dst: formatCidr(everywhere(family)), gw: formatIp(podGateway(family)) }))
}

import { objectKey, type Service } from '@weft/api'
import { aggregateCidrs, type Cidr, cidrContains, formatIp, hostCidr, type IpAddress } from '@weft/ip'
import { ipKey, type NodeModel, type VirtualPort } from './model.ts'
import { ProxyError } from './proxy-error.ts'
import { families, type Family } from './sets.ts'
import type { ServiceContext } from './watch.ts'

/**
 * Ports, addresses, endpoints and source ranges of one Service multiply, each as many as an object of 1.5 MB can name: so many elements are served, and
 * those of a Service that nobody means to harm are some thousands.
 */
export const maxElements = 131_072

/** How many addresses a message names. */
export const maxNamed = 5

/** An address of a Service. */
export interface Place {
  readonly ip: IpAddress
  readonly kind: VirtualPort['kind']
  readonly sources: readonly Cidr[] | undefined
}

/** All addresses of a Service, without those that it may not have. Pure. */
export function placesOf(service: Service, { node, config }: ServiceContext, refusals: ProxyError[]): readonly Place[] {
  const allowed = (ips: readonly IpAddress[], { ranges, setting }: { readonly ranges: readonly Cidr[], readonly setting: string }): readonly IpAddress[] => {
    const inside = ips.filter((ip) => ranges.some((range) => range.family === ip.family && cidrContains(range, ip)))
    // As one, however many: a Service may name thousands.
    const known = new Set(inside)
    const outside = ips.filter((ip) => !known.has(ip))
    const more = outside.length > maxNamed ? ` and ${outside.length - maxNamed} more` : ''
    if (outside.length > 0) refusals.push(new ProxyError('ERR_PROXY_ADDRESS_NOT_ALLOWED', `Cannot serve Service "${objectKey(service)}" on "${outside.slice(0, maxNamed).map(formatIp).join(', ')}"${more}: it is outside of ${setting}, wanted an address that the configuration allows`))
    return inside
  }
  // A Service has the families of its cluster IPs, whatever else it names (SVC-11).
  const has = ({ family }: { readonly family: Family }): boolean => service.clusterIps.some((ip) => ip.family === family)
  const open = (kind: Place['kind']) => (ip: IpAddress): Place => ({ ip, kind, sources: undefined })
  const sources = { 4: sourcesIn(service, 4, node), 6: sourcesIn(service, 6, node) }
  const balancers = service.type === 'LoadBalancer' ? allowed(service.loadBalancerIps, { ranges: config.loadBalancerIps, setting: 'loadBalancerIps' }) : []
  const known = new Set(balancers.map(ipKey))
  const isTooLarge = balancers.length * Math.max(...families.map((family) => sources[family]?.ranges.length ?? 0)) > maxElements
  if (isTooLarge) refusals.push(new ProxyError('ERR_PROXY_SERVICE_TOO_LARGE', `Cannot serve Service "${objectKey(service)}" on ${balancers.length} load balancer addresses: with its source ranges they are more than ${maxElements} elements`))
  const places: readonly Place[] = [
    ...service.clusterIps.map(open('cluster')),
    ...node.nodePortIps.map(open('node')),
    // First what is restricted: an address that stands in both lists stays so.
    ...(isTooLarge ? [] : balancers).map((ip): Place => ({ ip, kind: 'external', sources: sourcesAt(ip, sources[ip.family]) })),
    ...allowed(service.externalIps, { ranges: config.externalIps, setting: 'externalIps' }).filter((ip) => !known.has(ipKey(ip))).map(open('external')),
  ]
  return places.filter(({ ip }) => has(ip))
}

interface Sources {
  readonly ranges: readonly Cidr[]
  /** Whether this node is in them. */
  readonly hasNode: boolean
}

/** Source ranges of one family; without any there is no restriction for that family (SVC-11). */
function sourcesIn({ loadBalancerSourceRanges }: Service, family: Family, { ips }: NodeModel): Sources | undefined {
  const ranges = aggregateCidrs(loadBalancerSourceRanges.filter((range) => range.family === family))
  if (ranges.length === 0 || ranges[0]!.prefix === 0) return undefined
  return { ranges, hasNode: ips.some((own) => own.family === family && ranges.some((range) => cidrContains(range, own))) }
}

/** Where this node is in the ranges, so is the address itself: a node that has it on a link sends from it (LB-5). */
function sourcesAt(ip: IpAddress, sources: Sources | undefined): readonly Cidr[] | undefined {
  return sources?.hasNode === true ? aggregateCidrs([...sources.ranges, hostCidr(ip)]) : sources?.ranges
}

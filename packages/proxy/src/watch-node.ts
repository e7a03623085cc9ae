import type { IpBlock, Node, NodeName } from '@weft/api'
import { aggregateCidrs, type Cidr, cidrContains, compareIp, equalCidr, equalIp, hostCidr, type IpAddress, parseIp } from '@weft/ip'
import type { ProxyConfig } from './config.ts'
import type { NodeModel } from './model.ts'
import type { ServiceCidr } from './service-cidr.ts'
import { families } from './sets.ts'

const zoneLabel = 'topology.kubernetes.io/zone'

const loopbackIps = ['127.0.0.1', '::1'].map((text) => parseIp(text))

/** Where ranges and addresses come from. */
export interface NodeSources {
  readonly nodes: Iterable<Node>
  /** Where pods get addresses out of blocks. */
  readonly blocks: Iterable<IpBlock>
  readonly serviceCidrs: Iterable<ServiceCidr>
  /** Addresses on links of this machine, if anybody looks. */
  readonly local?: readonly IpAddress[] | undefined
}

/** Folds nodes and ranges into what the proxy needs of them; undefined while this node has no object. Pure, whatever the order. */
export function watchNode(nodeName: NodeName, sources: NodeSources, config: ProxyConfig): NodeModel | undefined {
  const nodes = [...sources.nodes]
  const blocks = [...sources.blocks]
  const self = nodes.find(({ name }) => name === nodeName)
  if (self === undefined) return undefined
  const ips = primaryIps(self)
  const rangesOf = ({ podCidrs, internalIps }: Node): readonly Cidr[] => [...podCidrs.filter(isPlausible), ...internalIps.map(hostCidr)]
  const inBlocks = blocks.filter(({ cidr }) => isPlausible(cidr))
  return {
    zone: self.labels[zoneLabel] ?? '',
    affinityClients: config.affinityClients,
    ips,
    nodePortIps: [...nodePortIps(self, config, sources.local), ...(config.nodePortLoopback ? loopbackIps : [])],
    podRanges: self.podCidrs.filter(isPlausible),
    nearRanges: aggregateCidrs([...rangesOf(self), ...inBlocks.filter(({ node }) => node === nodeName).map(({ cidr }) => cidr)]),
    clusterRanges: aggregateCidrs([...config.clusterCidrs, ...nodes.flatMap(rangesOf), ...inBlocks.map(({ cidr }) => cidr)]),
    serviceRanges: aggregateCidrs([...config.serviceCidrs, ...[...sources.serviceCidrs].flatMap(({ cidrs }) => cidrs)]),
  }
}

/** The first InternalIP of each family. */
function primaryIps({ internalIps }: Node): readonly IpAddress[] {
  return families.flatMap((family) => internalIps.find((ip) => ip.family === family) ?? [])
}

/**
 * Where NodePorts and health check ports of a node answer (SVC-70). Networks are looked for among the addresses of the Node object and those on links; in order,
 * so that nothing changes when the kernel lists them in another.
 */
export function nodePortIps(node: Node, { nodePortAddresses: wanted }: Pick<ProxyConfig, 'nodePortAddresses'>, local: readonly IpAddress[] = []): readonly IpAddress[] {
  if (wanted === 'primary') return primaryIps(node)
  const all = [...node.internalIps, ...node.externalIps, ...local].filter((ip) => wanted.some((range) => range.family === ip.family && cidrContains(range, ip))).sort(compareIp)
  return all.filter((ip, index) => index === 0 || !equalIp(ip, all[index - 1]!))
}

/** No node has pods in a range so large: one that says so would make all clients pods, whose answers need no NAT. */
function isPlausible({ family, prefix }: Cidr): boolean {
  return prefix >= (family === 4 ? 8 : 16)
}

/** Whether a change of a Node object can matter; most are heartbeats. */
export function isSameNode(a: Node | undefined, b: Node | undefined): boolean {
  return a !== undefined && b !== undefined
    && sameList(a.podCidrs, b.podCidrs, equalCidr) && sameList(a.internalIps, b.internalIps, equalIp) && sameList(a.externalIps, b.externalIps, equalIp)
    && a.labels[zoneLabel] === b.labels[zoneLabel]
}

/** Whether only sets of ranges differ: then no Service and no chain changes. */
export function isSamePlace(a: NodeModel, b: NodeModel): boolean {
  return a.zone === b.zone && sameList(a.ips, b.ips, equalIp) && sameList(a.nodePortIps, b.nodePortIps, equalIp) && sameList(a.podRanges, b.podRanges, equalCidr)
}

function sameList<T extends Cidr | IpAddress>(a: readonly T[], b: readonly T[], equal: (a: T, b: T) => boolean): boolean {
  return a.length === b.length && a.every((item, index) => equal(item, b[index]!))
}

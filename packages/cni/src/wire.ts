import { links, routeProtocols } from '@weft/api'
import { cidrFrom, formatIp, type IfIndex, type IpAddress, loopbackIfIndex, type MacAddress } from '@weft/ip'
import { ensureDone, isAlreadyExists, isNotFound, type Link, NetlinkError, requests, type RouteSocket } from '@weft/netlink'
import { type Bridge, isPort, joinRequests } from './bridge.ts'
import { type Bandwidth, isBucketOf, limitRequests, type RateLimit } from './bandwidth.ts'
import { CniError } from '@weft/plugin'
import { hardenHostEnd } from './host-end.ts'
import type { LinkIdentity } from './link-name.ts'
import { everywhere, hostPrefix, mainTable, podGateway } from './pod-route.ts'
import type { NodeAddresses } from './ports.ts'
import { messageOf } from '@weft/daemon/message-of'

/** Everything that decides how one pod is wired. */
export interface WirePlan extends LinkIdentity {
  /** Name inside the pod. */
  readonly ifname: string
  /** At most one per family. */
  readonly ips: readonly IpAddress[]
  /** Bytes. */
  readonly mtu: number
  /** Source of what the node itself sends to the pod. */
  readonly node: NodeAddresses
  readonly bandwidth?: Bandwidth | undefined
  /** What the node's end becomes a port of. */
  readonly bridge?: Bridge | undefined
}

/** Where the node's end goes. */
export interface NodeSide {
  /** Acts in the node's namespace. */
  readonly route: RouteSocket
  readonly nodeNetnsFd: number
  /** Where sysctls are: `/proc/sys`, or a mount of the node's. */
  readonly sysctlFolder: string
}

/** An IPv6 packet must be able to be that large (RFC 8200 §5). */
const leastIpv6Mtu = 1280

/**
 * Wires a pod, from both ends, with four system calls on sockets and five small writes:
 * ```
 * pod$  ip link add eth0 type veth peer name weft… netns <node>
 * pod$  ip link set lo up; ip address add 10.244.1.5/32 dev eth0; ip link set eth0 up
 *       ip neighbour replace 169.254.1.1 lladdr <host end> nud permanent dev eth0; ip route add default via 169.254.1.1 dev eth0 onlink
 * node$ ip link set weft… up; ip neighbour replace 10.244.1.5 lladdr <pod end> nud permanent dev weft…
 *       ip route replace 10.244.1.5/32 dev weft… src <node> proto 87
 * ```
 * With a bridge the node's end is a port of it, and neighbours and routes are the bridge's.
 *
 * Not atomic: on an error the caller deletes the host end, and everything else goes with it. The kernel's work goes on beside the event loop, for other
 * pods wait for theirs.
 *
 * @returns Index of the host end.
 * @throws {CniError} ERR_CNI_LINK_EXISTS if the pod has the interface (CNI-21), ERR_CNI_WIRING for the rest.
 */
export async function wirePod(pod: RouteSocket, { route, nodeNetnsFd, sysctlFolder }: NodeSide, plan: WirePlan): Promise<IfIndex> {
  if (plan.mtu < leastIpv6Mtu && plan.ips.some(({ family }) => family === 6))
    throw new CniError('ERR_CNI_WIRING', `Cannot wire "${plan.ifname}": its MTU is ${plan.mtu}, wanted at least ${leastIpv6Mtu} for IPv6`)
  try {
    const podEnd = await addPair(pod, route, nodeNetnsFd, plan)
    // The kernel tells the other end's number with the first; not every kernel does where both numbers are the same.
    const hostIndex = podEnd.peerIndex ?? route.link(plan.hostIfname).index
    hardenHostEnd(plan.hostIfname, sysctlFolder)
    const ends = [pod.transactAsync(podRequests(podEnd.index, plan)), route.transactAsync(hostRequests(hostIndex, plan))]
    // Nothing may come after its undoing.
    await Promise.allSettled(ends)
    ensureDone((await Promise.all(ends)).flat())
    return hostIndex
  } catch (error) {
    if (error instanceof CniError) throw error
    const hint = error instanceof NetlinkError && error.code === 'EACCES' && plan.ips.some(({ family }) => family === 6) ? '; is net.ipv6.conf.all.disable_ipv6 set in the pod?' : ''
    throw new CniError('ERR_CNI_WIRING', `Cannot wire "${plan.ifname}": ${messageOf(error)}${hint}`, { cause: error })
  }
}

async function addPair(pod: RouteSocket, route: RouteSocket, nodeNetnsFd: number, plan: WirePlan): Promise<Link> {
  const { ifname, podMac, hostIfname, hostMac, mtu } = plan
  // One queue: the kernel's default is one per CPU, each with its sysfs entries, and veth uses more than one with XDP only.
  const both = { mtu, queues: 1 } as const
  const spec = { ...both, kind: 'veth', name: ifname, mac: podMac, peer: { ...both, name: hostIfname, mac: hostMac, netnsFd: nodeNetnsFd } } as const
  try {
    return await pod.addLinkAsync(spec)
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
    // Of an ADD that did not live to be undone: the store knows of none, or there would be no address for this one. Both ends go.
    const leftover = route.findLink(hostIfname)
    if (leftover !== undefined) deleteIfThere(route, leftover.index)
    if (pod.findLink(ifname) !== undefined) throw new CniError('ERR_CNI_LINK_EXISTS', `Cannot wire "${ifname}": the pod has an interface of that name, wanted none`, { cause: error })
    return await pod.addLinkAsync(spec)
  }
}

/** It may be going already, behind the answer of a DEL. */
function deleteIfThere(route: RouteSocket, index: IfIndex): void {
  try {
    route.deleteLink(index)
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
}

function podRequests(ifIndex: IfIndex, { ips, hostMac, bandwidth, mtu, bridge }: WirePlan): Parameters<RouteSocket['transact']>[0] {
  return [
    requests.setLink(loopbackIfIndex, { up: true }),
    // Before the link is up, so that no packet is sent from another address; noDad, so that it is usable at once (CNI-31).
    ...ips.map((address) => requests.addAddress({ ifIndex, address, prefix: hostPrefix(address), noDad: true })),
    ...limitRequests(ifIndex, bandwidth?.egress, mtu),
    requests.setLink(ifIndex, { up: true }),
    ...ips.flatMap(({ family }) => [
      requests.replaceNeighbour({ ifIndex, address: podGateway(family), mac: bridge?.mac ?? hostMac, state: 'permanent' }),
      requests.addRoute({ destination: everywhere(family), via: podGateway(family), ifIndex, onlink: true, protocol: routeProtocols.cni }),
    ]),
  ]
}

/** What the node needs to reach a pod; all of it may be there already. */
export function hostRequests(ifIndex: IfIndex, { ips, podMac, node, bandwidth, mtu, bridge }: Pick<WirePlan, 'ips' | 'podMac' | 'node' | 'bandwidth' | 'mtu' | 'bridge'>): Parameters<RouteSocket['transact']>[0] {
  const towards = bridge?.index ?? ifIndex
  return [
    ...bridge === undefined ? [] : joinRequests(ifIndex, bridge, podMac),
    // What this end sends is what the pod receives.
    ...limitRequests(ifIndex, bandwidth?.ingress, mtu),
    requests.setLink(ifIndex, { up: true }),
    ...ips.flatMap((address) => [
      requests.replaceNeighbour({ ifIndex: towards, address, mac: podMac, state: 'permanent', protocol: routeProtocols.cni }),
      // Without `src` the kernel may pick any link's address on an unnumbered link.
      requests.replaceRoute({ destination: cidrFrom(address, hostPrefix(address)), ifIndex: towards, source: node[address.family], protocol: routeProtocols.cni }),
    ]),
  ]
}

export interface ExpectedWiring {
  readonly ifname: string
  readonly hostIfname: string
  readonly ips: readonly IpAddress[]
  readonly podMac: MacAddress
  readonly bandwidth?: Bandwidth | undefined
  /** What the node's end is a port of. */
  readonly bridge?: Bridge | undefined
}

/**
 * Compares both ends with what ADD made (CNI-37); what others added is not our business (CNI-38).
 *
 * @returns One sentence per difference.
 */
export function findDifferences(pod: RouteSocket, node: RouteSocket, { ifname, hostIfname, ips, podMac, bandwidth, bridge }: ExpectedWiring): readonly string[] {
  const podLink = pod.findLink(ifname)
  const hostLink = node.findLink(hostIfname)
  return [
    ...linkDifferences(pod, ifname, podLink, bandwidth?.egress),
    ...linkDifferences(node, hostIfname, hostLink, bandwidth?.ingress),
    ...podLink === undefined ? [] : podDifferences(pod, podLink, { ips, podMac }),
    ...hostLink === undefined ? [] : hostDifferences(node, hostLink, { ips, podMac, bridge }),
  ]
}

function linkDifferences(socket: RouteSocket, name: string, link: Link | undefined, limit: RateLimit | undefined): readonly string[] {
  if (link === undefined) return [`interface ${name} is missing`]
  return [
    ...link.kind === 'veth' ? [] : [`interface ${name} is of kind ${link.kind ?? 'unknown'}, wanted veth`],
    ...link.up ? [] : [`interface ${name} is down`],
    ...limit === undefined || isBucketOf(socket.tokenBuckets().find(({ ifIndex }) => ifIndex === link.index), limit, link.mtu) ? [] : [`limit of bandwidth is ${link.qdisc === 'tbf' ? 'another' : 'missing'} on ${name}`],
  ]
}

function podDifferences(pod: RouteSocket, link: Link, { ips, podMac }: Pick<ExpectedWiring, 'ips' | 'podMac'>): readonly string[] {
  const addresses = pod.addresses({ ifIndex: link.index })
  const routes = pod.routes({ table: mainTable })
  // The node's permanent neighbour entry holds the other: nothing would arrive.
  const renamed = link.mac === podMac ? [] : [`${link.name} has hardware address ${link.mac ?? 'none'}, wanted ${podMac}`]
  return renamed.concat(ips.flatMap((ip) => [
    ...addresses.some(({ address }) => address.family === ip.family && address.bits === ip.bits) ? [] : [`address ${formatIp(ip)} is missing on ${link.name}`],
    ...routes.some((route) => route.family === ip.family && route.destination.prefix === 0 && route.ifIndex === link.index) ? [] : [`IPv${ip.family} default route over ${link.name} is missing`],
  ]))
}

function hostDifferences(node: RouteSocket, link: Link, { ips, podMac, bridge }: Pick<ExpectedWiring, 'ips' | 'podMac' | 'bridge'>): readonly string[] {
  const [towards, name] = bridge === undefined ? [link.index, link.name] : [bridge.index, links.bridge]
  return [
    ...bridge === undefined || isPort(node, link, { bridge, podMac }) ? [] : [`interface ${link.name} is no port of ${links.bridge} with ${podMac} behind it`],
    ...ips.flatMap((ip) => node.lookupRoute(ip)?.ifIndex === towards ? [] : [`route to ${formatIp(ip)} over ${name} is missing on the node`]),
  ]
}

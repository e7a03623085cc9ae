import { closeSync, openSync, writeSync } from 'node:fs'
import { routeProtocols } from '@weft/api'
import { cidrFrom, formatIp, type IfIndex, type IpAddress, loopbackIfIndex, type MacAddress } from '@weft/ip'
import { ensureDone, isAlreadyExists, isNotFound, type Link, NetlinkError, requests, type RouteSocket } from '@weft/netlink'
import { type Bandwidth, isBucketOf, limitRequests, type RateLimit } from './bandwidth.ts'
import { CniError } from '@weft/plugin'
import type { LinkIdentity } from './link-name.ts'
import { everywhere, podGateway } from './pod-route.ts'
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
 * Not atomic: on an error the caller deletes the host end, and everything else goes with it.
 *
 * @returns Index of the host end.
 * @throws {CniError} ERR_CNI_LINK_EXISTS if the pod has the interface (CNI-21), ERR_CNI_WIRING for the rest.
 */
export function wirePod(pod: RouteSocket, { route, nodeNetnsFd, sysctlFolder }: NodeSide, plan: WirePlan): IfIndex {
  if (plan.mtu < leastIpv6Mtu && plan.ips.some(({ family }) => family === 6))
    throw new CniError('ERR_CNI_WIRING', `Cannot wire "${plan.ifname}": its MTU is ${plan.mtu}, wanted at least ${leastIpv6Mtu} for IPv6`)
  try {
    const podEnd = addPair(pod, route, nodeNetnsFd, plan)
    // The kernel tells the other end's number with the first; not every kernel does where both numbers are the same.
    const hostIndex = podEnd.peerIndex ?? route.link(plan.hostIfname).index
    hardenHostEnd(plan.hostIfname, sysctlFolder)
    ensureDone(pod.transact(podRequests(podEnd.index, plan)))
    ensureDone(route.transact(hostRequests(hostIndex, plan)))
    return hostIndex
  } catch (error) {
    if (error instanceof CniError) throw error
    const hint = error instanceof NetlinkError && error.code === 'EACCES' && plan.ips.some(({ family }) => family === 6) ? '; is net.ipv6.conf.all.disable_ipv6 set in the pod?' : ''
    throw new CniError('ERR_CNI_WIRING', `Cannot wire "${plan.ifname}": ${messageOf(error)}${hint}`, { cause: error })
  }
}

function addPair(pod: RouteSocket, route: RouteSocket, nodeNetnsFd: number, plan: WirePlan): Link {
  const { ifname, podMac, hostIfname, hostMac, mtu } = plan
  // One queue: the kernel's default is one per CPU, each with its sysfs entries, and veth uses more than one with XDP only.
  const both = { mtu, queues: 1 } as const
  const spec = { ...both, kind: 'veth', name: ifname, mac: podMac, peer: { ...both, name: hostIfname, mac: hostMac, netnsFd: nodeNetnsFd } } as const
  try {
    return pod.addLink(spec)
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
    // Of an ADD that did not live to be undone: the store knows of none, or there would be no address for this one. Both ends go.
    const leftover = route.findLink(hostIfname)
    if (leftover !== undefined) deleteIfThere(route, leftover.index)
    if (pod.findLink(ifname) !== undefined) throw new CniError('ERR_CNI_LINK_EXISTS', `Cannot wire "${ifname}": the pod has an interface of that name, wanted none`, { cause: error })
    return pod.addLink(spec)
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

function podRequests(ifIndex: IfIndex, { ips, hostMac, bandwidth, mtu }: WirePlan): Parameters<RouteSocket['transact']>[0] {
  return [
    requests.setLink(loopbackIfIndex, { up: true }),
    // Before the link is up, so that no packet is sent from another address; noDad, so that it is usable at once (CNI-31).
    ...ips.map((address) => requests.addAddress({ ifIndex, address, prefix: hostPrefix(address), noDad: true })),
    ...limitRequests(ifIndex, bandwidth?.egress, mtu),
    requests.setLink(ifIndex, { up: true }),
    ...ips.flatMap(({ family }) => [
      requests.replaceNeighbour({ ifIndex, address: podGateway(family), mac: hostMac, state: 'permanent' }),
      requests.addRoute({ destination: everywhere(family), via: podGateway(family), ifIndex, onlink: true, protocol: routeProtocols.cni }),
    ]),
  ]
}

/** What the node needs to reach a pod; all of it may be there already. */
export function hostRequests(ifIndex: IfIndex, { ips, podMac, node, bandwidth, mtu }: Pick<WirePlan, 'ips' | 'podMac' | 'node' | 'bandwidth' | 'mtu'>): Parameters<RouteSocket['transact']>[0] {
  return [
    // What this end sends is what the pod receives.
    ...limitRequests(ifIndex, bandwidth?.ingress, mtu),
    requests.setLink(ifIndex, { up: true }),
    ...ips.flatMap((address) => [
      requests.replaceNeighbour({ ifIndex, address, mac: podMac, state: 'permanent', protocol: routeProtocols.cni }),
      // Without `src` the kernel may pick any link's address on an unnumbered link.
      requests.replaceRoute({ destination: cidrFrom(address, hostPrefix(address)), ifIndex, source: node[address.family], protocol: routeProtocols.cni }),
    ]),
  ]
}

/**
 * The host end listens to no router and no redirect (CVE-2020-10749), sends none, and makes no address for itself. Where sysctls are
 * read-only it is left as it is; the anti-spoof table drops such packets in any case.
 */
function hardenHostEnd(name: string, folder: string): void {
  for (const setting of [`ipv6/conf/${name}/accept_ra`, `ipv6/conf/${name}/accept_redirects`, `ipv4/conf/${name}/accept_redirects`, `ipv4/conf/${name}/send_redirects`]) writeSysctl(`${folder}/net/${setting}`, '0')
  // 1 is "none": no link-local address, and no fe80::/64 route over which a pod's link-local packets would look genuine.
  writeSysctl(`${folder}/net/ipv6/conf/${name}/addr_gen_mode`, '1')
}

/** Synchronous and on this thread, which is in the node's namespace: three small system calls. */
function writeSysctl(path: string, value: string): void {
  try {
    const file = openSync(path, 'w')
    try {
      writeSync(file, value)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code !== 'EROFS' && code !== 'EACCES' && code !== 'EPERM' && code !== 'ENOENT') throw error
  }
}

export interface ExpectedWiring {
  readonly ifname: string
  readonly hostIfname: string
  readonly ips: readonly IpAddress[]
  readonly podMac: MacAddress
  readonly bandwidth?: Bandwidth | undefined
}

/**
 * Compares both ends with what ADD made (CNI-37); what others added is not our business (CNI-38).
 *
 * @returns One sentence per difference.
 */
export function findDifferences(pod: RouteSocket, node: RouteSocket, { ifname, hostIfname, ips, podMac, bandwidth }: ExpectedWiring): readonly string[] {
  const podLink = pod.findLink(ifname)
  const hostLink = node.findLink(hostIfname)
  return [
    ...linkDifferences(pod, ifname, podLink, bandwidth?.egress),
    ...linkDifferences(node, hostIfname, hostLink, bandwidth?.ingress),
    ...podLink === undefined ? [] : podDifferences(pod, podLink, { ips, podMac }),
    ...hostLink === undefined ? [] : hostDifferences(node, hostLink, ips),
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

const mainTable = 254

function hostDifferences(node: RouteSocket, link: Link, ips: readonly IpAddress[]): readonly string[] {
  return ips.flatMap((ip) => node.lookupRoute(ip)?.ifIndex === link.index ? [] : [`route to ${formatIp(ip)} over ${link.name} is missing on the node`])
}

function hostPrefix(address: IpAddress): number {
  return address.family === 4 ? 32 : 128
}


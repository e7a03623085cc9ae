import { existsSync } from 'node:fs'
import { links, routeProtocols } from '@weft/api'
import { cidrFrom, firstIp, formatIp, type IfIndex, type IpAddress, type MacAddress, parseMac } from '@weft/ip'
import { ensureDone, isNotFound, type Link, requests, type RouteSocket } from '@weft/netlink'
import { CniError } from '@weft/plugin'
import { hardenHostEnd } from './host-end.ts'
import { hostPrefix, mainTable } from './pod-route.ts'

/** The bridge that pods' links are ports of. */
export interface Bridge {
  readonly index: IfIndex
  readonly mac: MacAddress
}

/** The same after the bridge was made anew: pods have it in a static neighbour. No two nodes' bridges meet on a link. */
export const bridgeMac: MacAddress = parseMac('02:77:65:66:74:00')

/** Why pods cannot be ports of a bridge here; undefined if they can. */
export function whyNoBridge(sysctlFolder: string): string | undefined {
  if (existsSync(`${sysctlFolder}/net/bridge/bridge-nf-call-iptables`)) return undefined
  return 'the kernel has no br_netfilter, so no policy would see what pods of one node send each other; run "modprobe br_netfilter" and list it in /etc/modules-load.d, or set mode to point-to-point'
}

/** The bridge, if it is as we made it. */
export function findBridge(route: RouteSocket): Bridge | undefined {
  const found = route.findLink(links.bridge)
  return found?.up === true && found.ipHooks === true && found.mac === bridgeMac ? { index: found.index, mac: bridgeMac } : undefined
}

/**
 * Makes the bridge, or mends it:
 * ```
 * ip link add weft-bridge address 02:77:65:66:74:00 type bridge nf_call_iptables 1 nf_call_ip6tables 1 mcast_snooping 0
 * ip link set weft-bridge up
 * ```
 * It asks for the hooks of IP itself, so that `net.bridge.bridge-nf-call-iptables` may say what others want of their bridges.
 *
 * @throws {CniError} ERR_CNI_BRIDGE if the kernel has no br_netfilter.
 */
export function makeBridge(route: RouteSocket, sysctlFolder: string): Bridge {
  const obstacle = whyNoBridge(sysctlFolder)
  if (obstacle !== undefined) throw new CniError('ERR_CNI_BRIDGE', `Cannot make pods ports of bridge "${links.bridge}": ${obstacle}`)
  const { index } = route.findLink(links.bridge) ?? route.addLink({ kind: 'bridge', name: links.bridge, mac: bridgeMac, multicastSnooping: false, ipHooks: true })
  hardenHostEnd(links.bridge, sysctlFolder)
  ensureDone(route.transact([requests.setLink(index, { mac: bridgeMac, ipHooks: true }), requests.setLink(index, { up: true })]))
  return { index, mac: bridgeMac }
}

/** Makes a link a port. Where pods are is said, not learned; a Service may lead a pod back to itself. */
export function joinRequests(port: IfIndex, { index }: Bridge, podMac: MacAddress): Parameters<RouteSocket['transact']>[0] {
  return [
    requests.setLink(port, { master: index }),
    requests.setBridgePort(port, { learning: false, flood: false, hairpin: true }),
    requests.replaceFdb({ ifIndex: port, mac: podMac, table: 'master' }),
  ]
}

/** Whether a link is a port, with the pod behind it. */
export function isPort(route: RouteSocket, link: Link, { bridge, podMac }: { readonly bridge: Bridge, readonly podMac: MacAddress }): boolean {
  return link.master === bridge.index && route.fdb(link.index).some((entry) => entry.static && entry.mac === podMac)
}

/** What a port leaves behind: routes and neighbours are the bridge's. */
export function forgetOnBridge(route: RouteSocket, ips: readonly IpAddress[]): void {
  const bridge = route.findLink(links.bridge)
  if (bridge === undefined) return
  const outcomes = route.transact(ips.flatMap((address) => [
    requests.deleteRoute({ destination: cidrFrom(address, hostPrefix(address)), ifIndex: bridge.index, protocol: routeProtocols.cni }),
    requests.deleteNeighbour({ ifIndex: bridge.index, address }),
  ]))
  ensureDone(outcomes.filter(({ error }) => !isNotFound(error)))
}

/** Takes away what is of nobody: addresses without an owner, and the bridge itself where no pod is to be on it. */
export function sweepBridge(route: RouteSocket, owned: readonly IpAddress[], { wanted }: { readonly wanted: boolean }): void {
  const bridge = route.findLink(links.bridge)
  if (bridge === undefined) return
  if (!wanted && owned.length === 0) return route.deleteLink(bridge.index)
  const texts = new Set(owned.map(formatIp))
  forgetOnBridge(route, route.routes({ table: mainTable, protocol: routeProtocols.cni }).filter(({ ifIndex }) => ifIndex === bridge.index).map(({ destination }) => firstIp(destination)).filter((ip) => !texts.has(formatIp(ip))))
}

/** Addresses of the pod behind each port, by the port's number, as bridge and neighbours tell. */
export function addressesOfPorts(route: Pick<RouteSocket, 'links' | 'fdb' | 'neighbours'>): ReadonlyMap<IfIndex, { readonly podMac: MacAddress, readonly ips: readonly IpAddress[] }> {
  const bridge = route.links({ kind: 'bridge' }).find(({ name }) => name === links.bridge)
  if (bridge === undefined) return new Map()
  const neighbours = route.neighbours({ ifIndex: bridge.index }).filter(({ state }) => state === 'permanent')
  return new Map(route.fdb().filter((entry) => entry.static && entry.master === bridge.index).flatMap(({ ifIndex, mac }) => {
    const ips = neighbours.filter((neighbour) => neighbour.mac === mac).map(({ address }) => address)
    return ips.length === 0 ? [] : [[ifIndex, { podMac: mac, ips }]]
  }))
}

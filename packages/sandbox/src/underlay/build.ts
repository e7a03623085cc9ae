import { closeSync, openSync } from 'node:fs'
import { type Cidr, type IfIndex, type IpAddress, type MacAddress, parseCidr, parseInterfaceAddress, parseIp, parseMac } from '@weft/ip'
import { createNetns, isNotFound, isNotSupported, isPermissionDenied, NetlinkError, RouteSocket, writeSysctls } from '@weft/netlink'
import { messageOf, SandboxError } from '../errors.ts'
import type { Segment, Station, Topology } from './topology.ts'

/** Where the network namespaces of the underlay are pinned. */
export interface Underlay {
  readonly nodes: ReadonlyMap<string, string>
  readonly router: string
  readonly outside: string
}

/** A cable: one end in a namespace, the other in a bridge of the sandbox's own namespace. */
interface Cable {
  readonly netns: string
  /** Name inside. */
  readonly name: string
  /** Name of the bridge's port. */
  readonly port: string
  readonly bridge: string
  readonly station: Station
}

const mainTable = 254

const forwarding = { 'net.ipv4.ip_forward': '1', 'net.ipv6.conf.all.forwarding': '1' }
// Addresses are ours to give: no duplicate detection (a second each), no autoconfiguration.
const quiet = { 'net.ipv6.conf.all.accept_dad': '0', 'net.ipv6.conf.default.accept_dad': '0', 'net.ipv6.conf.all.accept_ra': '0', 'net.ipv6.conf.default.accept_ra': '0' }
// The kernel passes its first namespace's values on, which differ from machine to machine.
const loose = { 'net.ipv4.conf.all.rp_filter': '0', 'net.ipv4.conf.default.rp_filter': '0' }
// New connections to a load balancer's address spread over the nodes.
const spread = { 'net.ipv4.fib_multipath_hash_policy': '1', 'net.ipv6.fib_multipath_hash_policy': '1' }

/**
 * Makes namespaces, bridges and cables of a plan. Everything goes with the sandbox's namespaces; nothing is undone here.
 *
 * @param folder Where the namespaces are pinned: `<folder>/<node>`, `router`, `outside`.
 * @throws {SandboxError} `ERR_SANDBOX_UNSUPPORTED` when the kernel refuses bridges or veth pairs.
 */
export async function buildUnderlay(topology: Topology, folder: string): Promise<Underlay> {
  const underlay: Underlay = {
    nodes: new Map(topology.nodes.map(({ name }) => [name, `${folder}/${name}`])),
    router: `${folder}/router`,
    outside: `${folder}/outside`,
  }
  const namespaces = [...underlay.nodes.values(), underlay.router, underlay.outside]
  await Promise.all([
    ...namespaces.map((path) => createNetns(path)),
    ...[...underlay.nodes.values()].map((path) => writeSysctls(path, { ...forwarding, ...quiet, ...loose })),
    writeSysctls(underlay.router, { ...forwarding, ...quiet, ...loose, ...spread }),
    writeSysctls(underlay.outside, { ...quiet, ...loose }),
    writeSysctls(undefined, { ...quiet, ...loose }),
    // Bridged packets must not pass the IP hooks; a new namespace starts with 1. Absent where br_netfilter is not loaded.
    writeSysctls(undefined, { 'net.bridge.bridge-nf-call-iptables': '0', 'net.bridge.bridge-nf-call-ip6tables': '0' }).catch(ignoreAbsent),
  ])
  using here = RouteSocket.openHere()
  try {
    bringUpLoopback(here)
    const bridges = new Map(topology.segments.map((segment, index) => [segment.name, here.addLink({ kind: 'bridge', name: segment.bridge, mac: mac(0, index), up: true, stp: false, multicastSnooping: false }).index]))
    address(here, bridges.get('a')!, topology.control)
    const cables = cablesOf(topology, underlay)
    for (const [index, cable] of cables.entries()) await lay(here, cable, { index, bridge: bridges.get(segmentOf(topology, cable).name)! })
    await routeAsClouds(topology, underlay.router)
  } catch (error) {
    if (isPermissionDenied(error)) throw new SandboxError('ERR_SANDBOX_UNSUPPORTED', 'Cannot start the sandbox: the user namespace has no network rights, a security module takes them away', { cause: error })
    if (isNotSupported(error)) throw new SandboxError('ERR_SANDBOX_UNSUPPORTED', `Cannot start the sandbox: the kernel has no bridges or veth pairs (${messageOf(error)})`, { cause: error })
    throw error
  }
  return underlay
}

function cablesOf(topology: Topology, underlay: Underlay): Cable[] {
  const bridgeOf = (name: string): string => topology.segments.find((segment) => segment.name === name)!.bridge
  return [
    ...topology.segments.map((segment) => ({
      netns: underlay.router,
      name: segment.name === 'outside' ? 'outside' : `segment-${segment.name}`,
      port: `router-${segment.name}`,
      bridge: segment.bridge,
      station: { addresses: segment.router, gateways: [] },
    })),
    { netns: underlay.outside, name: 'eth0', port: 'client', bridge: bridgeOf('outside'), station: topology.outside },
    ...topology.nodes.map((node) => ({ netns: underlay.nodes.get(node.name)!, name: 'eth0', port: node.name, bridge: bridgeOf(node.segment), station: node })),
  ]
}

async function lay(here: RouteSocket, cable: Cable, { index, bridge }: { readonly index: number, readonly bridge: IfIndex }): Promise<void> {
  const netnsFd = openSync(cable.netns, 'r')
  try {
    here.addLink({ kind: 'veth', name: cable.port, mac: mac(1, index), master: bridge, up: true, peer: { name: cable.name, mac: mac(2, index), netnsFd } })
  } finally {
    closeSync(netnsFd)
  }
  using there = await RouteSocket.open({ netns: cable.netns })
  bringUpLoopback(there)
  const link = there.link(cable.name)
  there.setLink(link.index, { up: true })
  address(there, link.index, cable.station)
}

function address(socket: RouteSocket, ifIndex: IfIndex, { addresses, gateways }: Station): void {
  for (const text of addresses) socket.addAddress({ ifIndex, ...parseInterfaceAddress(text), noDad: true })
  for (const via of gateways.map(parseIp)) socket.addRoute({ destination: defaultRoute(via), via, ifIndex })
}

/**
 * The router drops packets whose source is no address of the underlay, as clouds do: routes are looked up for known
 * sources only, for every other the last rule is a blackhole. Load balancer addresses lead to all nodes.
 */
async function routeAsClouds(topology: Topology, router: string): Promise<void> {
  using socket = await RouteSocket.open({ netns: router })
  const known = [...topology.segments.flatMap((segment: Segment) => segment.networks), ...topology.loadBalancers, 'fe80::/10'].map(parseCidr)
  for (const [index, from] of known.entries()) socket.addRule({ family: from.family, priority: 1000 + index, from, table: mainTable })
  for (const family of [4, 6] as const) {
    // What the router says itself, e.g. "unreachable", has no source yet when its route is looked up.
    socket.addRule({ family, priority: 900, iif: 'lo', table: mainTable })
    socket.addRule({ family, priority: 2000, action: 'blackhole' })
  }
  for (const destination of topology.loadBalancers.map(parseCidr)) {
    const nextHops = topology.nodes.map((node) => ({
      via: node.addresses.map((text) => parseInterfaceAddress(text).address).find((ip) => ip.family === destination.family)!,
      ifIndex: socket.link(`segment-${node.segment}`).index,
    }))
    socket.addRoute({ destination, nextHops })
  }
}

function bringUpLoopback(socket: RouteSocket): void {
  socket.setLink(socket.link('lo').index, { up: true })
}

function segmentOf(topology: Topology, cable: Cable): Segment {
  return topology.segments.find((segment) => segment.bridge === cable.bridge)!
}

function defaultRoute(via: IpAddress): Cidr {
  return parseCidr(via.family === 4 ? '0.0.0.0/0' : '::/0')
}

/** Locally administered, the same at every start. */
function mac(kind: number, index: number): MacAddress {
  return parseMac(`02:57:45:46:0${kind}:${index.toString(16).padStart(2, '0')}`)
}

function ignoreAbsent(error: unknown): void {
  if (!isNotFound(error) && !(error instanceof NetlinkError)) throw error
}

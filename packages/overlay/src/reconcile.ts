import { links, routing } from '@weft/api'
import { cidrFrom, formatCidr, formatIp, parseCidr } from '@weft/ip'
import { ensureDone, type FdbEntry, type Link, type Neighbour, type NetlinkRequest, requests, type Route, type RouteSocket, type Rule } from '@weft/netlink'
import { diffTable, type Nft } from '@weft/nftables'
import { mainTable, type OverlayRoute, type OverlayState, protocol, type Tunnel } from './compile.ts'
import { difference } from './kernel-diff.ts'
import type { Uplink } from './model.ts'

export interface OverlayKernel {
  readonly route: RouteSocket
  readonly nft: Nft
}

/**
 * Makes the kernel's links, forwarding entries, neighbours, rules, routes and ruleset those of `state`, by comparing and
 * writing the difference. Traffic never meets a route whose next hop is not there yet: tunnels and
 * neighbours come before routes, and go after them.
 *
 * @returns How many objects were written or deleted; 0 when all was as wanted.
 * @throws {NetlinkError | NftError} When the kernel refused something.
 */
export function reconcileOverlay({ route, nft }: OverlayKernel, state: OverlayState, uplink: Uplink): number {
  const tunnel = state.tunnel === undefined ? undefined : ensureTunnel(route, state.tunnel)
  const index = { uplink: uplink.index, vxlan: tunnel?.link.index }
  const before: NetlinkRequest[] = []
  const after: NetlinkRequest[] = []

  if (tunnel !== undefined && state.tunnel !== undefined) {
    const ends = difference({ items: state.tunnel.forwarding, text: ({ mac, remote }) => `${mac} ${formatIp(remote)}` }, { items: forwardingOf(route, tunnel.link), text: formatFdb })
    before.push(...ends.missing.map(({ mac, remote }) => requests.replaceFdb({ ifIndex: tunnel.link.index, mac, destination: remote })))
    // A peer with another address is replaced by the request above; only MAC addresses nobody has are deleted.
    const wanted = new Set(state.tunnel.forwarding.map(({ mac }) => mac))
    after.push(...ends.surplus.filter(({ mac }) => !wanted.has(mac)).map(({ mac, destination }) => requests.deleteFdb({ ifIndex: tunnel.link.index, mac, destination })))

    const hops = difference({ items: state.tunnel.neighbours, text: ({ address, mac }) => `${formatIp(address)} ${mac}` }, { items: neighboursOf(route, tunnel.link), text: ({ address, mac }) => `${formatIp(address)} ${mac}` })
    before.push(...hops.missing.map(({ address, mac }) => requests.replaceNeighbour({ ifIndex: tunnel.link.index, address, mac })))
    const addresses = new Set(state.tunnel.neighbours.map(({ address }) => formatIp(address)))
    after.push(...hops.surplus.filter(({ address }) => !addresses.has(formatIp(address))).map(({ address }) => requests.deleteNeighbour({ ifIndex: tunnel.link.index, address })))
  }

  const routes = difference({ items: state.routes, text: (each) => textOfWanted(each, index) }, { items: routesOf(route), text: textOfPresent })
  before.push(...routes.missing.map((each) => requests.replaceRoute(routeSpec(each, index))))
  const places = new Set(state.routes.map(placeOf))
  after.push(...routes.surplus.filter((each) => !places.has(placeOf(each))).map((each) => requests.deleteRoute(presentSpec(each))))

  const rules = difference({ items: state.rules, text: ({ from, table }) => `${formatCidr(from)} ${table}` }, { items: rulesOf(route), text: ({ family, from, table }) => `${formatCidr(from ?? everything(family))} ${table}` })
  before.push(...rules.missing.map(({ from, table, preference }) => requests.addRule({ family: from.family, from, table, priority: preference, protocol })))
  after.push(...rules.surplus.map((rule) => requests.deleteRule(rule)))

  ensureDone(route.transact([...before, ...after]))
  const changes = diffTable(nft.read('inet', state.ruleset.name), state.ruleset)
  nft.commit(changes)
  return before.length + after.length + changes.operations.length + (tunnel?.written ?? 0)
}

/** The tunnel's link as wanted. One with another identity (VNI, port, local address) cannot be changed, only made anew. */
function ensureTunnel(route: RouteSocket, tunnel: Tunnel): { readonly link: Link, readonly written: number } {
  const present = route.findLink(links.vxlan)
  const same = present?.vxlan !== undefined && present.vxlan.vni === tunnel.vni && present.vxlan.port === tunnel.port && !present.vxlan.learning
    && present.vxlan.local !== undefined && formatIp(present.vxlan.local) === formatIp(tunnel.local)
  if (present !== undefined && same) {
    if (present.mac === tunnel.mac && present.mtu === tunnel.mtuBytes && present.up) return { link: present, written: 0 }
    route.setLink(present.index, { mac: tunnel.mac, mtu: tunnel.mtuBytes, up: true })
    return { link: present, written: 1 }
  }
  if (present !== undefined) route.deleteLink(present.index)
  const link = route.addLink({
    kind: 'vxlan', name: tunnel.name, vni: tunnel.vni, port: tunnel.port, local: tunnel.local, mac: tunnel.mac, mtu: tunnel.mtuBytes, learning: false, up: true,
    // Peers send without an outer UDP checksum over IPv6 (RFC 6935); inner packets have their own.
    ...(tunnel.local.family === 6 ? { udp6ZeroChecksum: true } : {}),
  })
  return { link, written: 1 }
}

function forwardingOf(route: RouteSocket, link: Link): readonly FdbEntry[] {
  return route.fdb(link.index).filter(({ destination }) => destination !== undefined)
}

function neighboursOf(route: RouteSocket, link: Link): readonly Neighbour[] {
  return route.neighbours({ ifIndex: link.index }).filter(({ state }) => state === 'permanent')
}

/** Routes of ours are known by their protocol number, in the two tables we write to. */
function routesOf(route: RouteSocket): readonly Route[] {
  return [mainTable, routing.overlayTable].flatMap((table) => route.routes({ table, protocol }))
}

function rulesOf(route: RouteSocket): readonly Rule[] {
  return route.rules().filter((rule) => rule.priority === routing.overlayRulePreference && rule.protocol === protocol)
}

type Indexes = { readonly uplink: number, readonly vxlan: number | undefined }

function routeSpec(route: OverlayRoute, index: Indexes): Parameters<typeof requests.replaceRoute>[0] {
  return {
    destination: route.destination, type: route.type, table: route.table, protocol,
    via: route.via, source: route.source, metric,
    ifIndex: route.device === undefined ? undefined : index[route.device],
    // Next hops in the tunnel are in no network of its link; those on the uplink are.
    onlink: route.device === 'vxlan',
  }
}

/** The kernel's own default for IPv6; given for IPv4 too, so that both families compare alike and a route of an administrator wins. */
const metric = 1024

function textOfWanted(route: OverlayRoute, index: Indexes): string {
  const device = route.device === undefined ? undefined : index[route.device]
  return [placeOf(route), route.type, route.via === undefined ? '' : formatIp(route.via), route.type === 'unicast' ? device : '', route.source === undefined ? '' : formatIp(route.source)].join(' ')
}

function textOfPresent(route: Route): string {
  return [placeOf(route), route.type, route.via === undefined ? '' : formatIp(route.via), route.type === 'unicast' ? route.ifIndex : '', route.source === undefined ? '' : formatIp(route.source)].join(' ')
}

/** What a route replaces: the one with the same table and destination. */
function placeOf(route: { readonly table: number, readonly destination: OverlayRoute['destination'] }): string {
  return `${route.table} ${formatCidr(route.destination)}`
}

function presentSpec({ destination, type, table, via, ifIndex, metric: own }: Route): Parameters<typeof requests.deleteRoute>[0] {
  // The kernel shows IPv6 unreachable routes on lo and does not find them by that name.
  return { destination, type, table, protocol, via, metric: own, ...(type === 'unicast' ? { ifIndex } : {}) }
}

function everything(family: 4 | 6): ReturnType<typeof cidrFrom> {
  return parseCidr(family === 4 ? '0.0.0.0/0' : '::/0')
}

function formatFdb({ mac, destination }: FdbEntry): string {
  return `${mac} ${destination === undefined ? '' : formatIp(destination)}`
}

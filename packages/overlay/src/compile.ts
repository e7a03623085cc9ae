import { links, priorities, routeProtocols, routing, tables } from '@weft/api'
import { aggregateCidrs, type Cidr, compareIp, hostCidr, type IpAddress, type MacAddress, parseCidr } from '@weft/ip'
import { accept, baseChain, eq, ip, ip6, isIn, masquerade, meta, notIn, type Rule, rule, set, type SetDeclaration, type Table, table } from '@weft/nftables'
import type { OverlayConfig } from './config.ts'
import type { OverlayModel, OverlayNode } from './model.ts'
import { choosePath, ipOf, tunnelFamily, tunnelMac, tunnelNextHop, vxlanOverheadBytes } from './path.ts'

/** A route of ours; `via` is on-link on purpose: next hops inside the tunnel are in no network of the device. */
export interface OverlayRoute {
  readonly table: number
  readonly destination: Cidr
  readonly type: 'unicast' | 'unreachable'
  readonly device: 'uplink' | 'vxlan' | undefined
  readonly via: IpAddress | undefined
  /** Preferred source: without it the kernel may pick the address of any link. */
  readonly source: IpAddress | undefined
}

/** `ip rule`: what comes from these pods looks for tunnelled nodes first. */
export interface OverlayRule {
  readonly from: Cidr
  readonly table: number
  readonly preference: number
}

export interface TunnelNeighbour {
  readonly address: IpAddress
  readonly mac: MacAddress
}

export interface TunnelPeer {
  readonly mac: MacAddress
  readonly remote: IpAddress
}

export interface Tunnel {
  readonly name: string
  readonly vni: number
  readonly port: number
  readonly local: IpAddress
  readonly mac: MacAddress
  readonly mtuBytes: number
  readonly forwarding: readonly TunnelPeer[]
  readonly neighbours: readonly TunnelNeighbour[]
}

/** Everything of the overlay in the kernel of one node. */
export interface OverlayState {
  /** MTU for pod links. */
  readonly podMtuBytes: number
  /** Absent when encapsulation is off. */
  readonly tunnel: Tunnel | undefined
  readonly routes: readonly OverlayRoute[]
  readonly rules: readonly OverlayRule[]
  readonly ruleset: Table
}

/** Decides every path of this node. Promises (DESIGN.md O1-O5): pure; equal models give equal states whatever the order of peers. */
export function compileOverlay(model: OverlayModel, config: OverlayConfig): OverlayState {
  const { self, peers, uplink } = model
  const local = ipOf(self, tunnelFamily(self))
  const overhead = config.mode === 'direct' ? 0 : vxlanOverheadBytes(tunnelFamily(self))
  const podMtuBytes = config.mtuBytes ?? uplink.mtuBytes - overhead

  const routes: OverlayRoute[] = self.podCidrs.map((destination) => ({
    // A pod that is gone must not send its peers' packets round in circles between this node and the default router.
    table: mainTable, destination, type: 'unreachable', device: undefined, via: undefined, source: undefined,
  }))
  const forwarding: TunnelPeer[] = []
  const neighbours: TunnelNeighbour[] = []

  for (const peer of peers) {
    const mac = tunnelMac(peer.name)
    let remote: IpAddress | undefined
    for (const family of [4, 6] as const) {
      const ranges = peer.podCidrs.filter((range) => range.family === family)
      if (ranges.length === 0) continue
      const path = choosePath(self, peer, { uplink, config, family })
      const source = ipOf(self, family)
      if (path.kind === 'direct') {
        for (const destination of ranges) routes.push({ table: mainTable, destination, type: 'unicast', device: 'uplink', via: ipOf(peer, family), source })
      } else if (path.kind === 'vxlan') {
        for (const destination of ranges) {
          const via = tunnelNextHop(destination)
          neighbours.push({ address: via, mac })
          routes.push({ table: mainTable, destination, type: 'unicast', device: 'vxlan', via, source })
        }
        remote = path.remote
        // Pods reach the node itself through the tunnel too: the router between would drop their addresses.
        const address = ipOf(peer, family)
        if (address !== undefined)
          routes.push({ table: routing.overlayTable, destination: hostCidr(address), type: 'unicast', device: 'vxlan', via: tunnelNextHop(ranges[0]!), source: undefined })
      }
    }
    if (remote !== undefined) forwarding.push({ mac, remote })
  }

  return {
    podMtuBytes,
    tunnel: config.mode === 'direct' || local === undefined
      ? undefined
      : { name: links.vxlan, vni: config.vni, port: config.port, local, mac: tunnelMac(self.name), mtuBytes: uplink.mtuBytes - overhead, forwarding, neighbours },
    routes: routes.sort(compareRoutes),
    rules: config.mode === 'direct' ? [] : self.podCidrs.map((from) => ({ from, table: routing.overlayTable, preference: routing.overlayRulePreference })),
    ruleset: compileMasquerade(self, peers, config),
  }
}

/** `ip route` without `table`. */
export const mainTable = 254
export const protocol: number = routeProtocols.overlay

/**
 * Decides which traffic leaves the node with the node's address. Rules of both families are there even when a set is
 * empty, so a first pod range never changes a chain.
 */
function compileMasquerade(self: OverlayNode, peers: readonly OverlayNode[], config: OverlayConfig): Table {
  const nodes = [self, ...peers]
  const direct = [
    ...nodes.flatMap(({ podCidrs, ips }) => [...podCidrs, ...ips.map((address) => hostCidr(address))]),
    ...config.masqueradeExcept.map(parseCidr),
    // Multicast and link-local never leave the link, so they never need another address.
    ...['224.0.0.0/4', '169.254.0.0/16', 'ff00::/8', 'fe80::/10'].map(parseCidr),
  ]
  const intervals = (name: string, family: 4 | 6, ranges: readonly Cidr[]): SetDeclaration =>
    set(name, { key: [family === 4 ? 'ipv4_addr' : 'ipv6_addr'], flags: ['interval'], elements: aggregateCidrs(ranges.filter((range) => range.family === family)).map((range) => ({ key: [range] })) })
  const sets = [intervals('pods4', 4, self.podCidrs), intervals('pods6', 6, self.podCidrs), intervals('direct4', 4, direct), intervals('direct6', 6, direct)]
  const leave = (header: typeof ip | typeof ip6, family: 4 | 6): Rule =>
    // fully-random: two flows that pick a port at the same moment must not pick the same one.
    rule(isIn(header.saddr, `pods${family}`), notIn(header.daddr, `direct${family}`), masquerade({ flags: ['fully-random'] }))
  return table({
    name: tables.overlay,
    sets,
    chains: [baseChain('outside', { type: 'nat', hook: 'postrouting', priority: priorities.outsideSnat }, config.masquerade
      ? [rule(eq(meta.oifname, 'lo'), accept), leave(ip, 4), leave(ip6, 6)]
      : [])],
  })
}

function compareRoutes(a: OverlayRoute, b: OverlayRoute): number {
  return a.table - b.table || compareIp(addressOf(a.destination), addressOf(b.destination)) || a.destination.prefix - b.destination.prefix
}

function addressOf(range: Cidr): IpAddress {
  return tunnelNextHop(range)
}

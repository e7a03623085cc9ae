import { links, routeProtocols, routing } from '@weft/api'
import { type Cidr, compareCidr, equalIp, hostCidr, type IpAddress, type MacAddress } from '@weft/ip'
import type { Table } from '@weft/nftables'
import type { OverlayConfig } from './config.ts'
import type { OverlayModel } from './model.ts'
import { choosePath, ipOf, tunnelFamily, tunnelMac, tunnelNextHop, vxlanOverheadBytes } from './path.ts'
import { compileRuleset } from './ruleset.ts'

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

interface TunnelNeighbour {
  readonly address: IpAddress
  readonly mac: MacAddress
}

interface TunnelPeer {
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

/** `ip route` without `table`. */
export const mainTable = 254
export const protocol: number = routeProtocols.overlay
/** Routes that an administrator gives no metric (0 for IPv4, 1024 for IPv6) win, and replacing ours never hits one of them. */
export const routeMetric = 8700
/** IPv6 needs it of every link (RFC 8200 §5); a smaller uplink carries the tunnel's packets in fragments. */
const leastMtuBytes = 1280

/** Decides every path of this node. Promises (DESIGN.md O1-O4): pure; equal models give equal states whatever the order of peers. */
export function compileOverlay(model: OverlayModel, config: OverlayConfig): OverlayState {
  const { self, peers, uplink } = model
  const overhead = config.mode === 'direct' ? 0 : vxlanOverheadBytes(tunnelFamily(self))
  const tunnelMtuBytes = Math.max(uplink.mtuBytes - overhead, leastMtuBytes)

  const routes: OverlayRoute[] = self.podCidrs.map((destination) => ({
    // What is sent to a pod that is gone must not go round in circles between this node and the default router.
    table: mainTable, destination, type: 'unreachable', device: undefined, via: undefined, source: undefined,
  }))
  const forwarding: TunnelPeer[] = []
  const neighbours: TunnelNeighbour[] = []

  for (const peer of peers) {
    const mac = tunnelMac(peer.name)
    let remote: IpAddress | undefined
    for (const family of [4, 6] as const) {
      const ranges = peer.podCidrs.filter((range) => range.family === family)
      const address = ipOf(peer, family)
      if (ranges.length === 0 && address === undefined) continue
      const path = choosePath(self, peer, { uplink, config, family })
      const own = ipOf(self, family)
      const source = own !== undefined && uplink.addresses.some((ip) => equalIp(ip, own)) ? own : undefined
      if (path.kind === 'direct') {
        for (const destination of ranges) routes.push({ table: mainTable, destination, type: 'unicast', device: 'uplink', via: path.via, source })
      } else if (path.kind === 'vxlan') {
        remote = path.remote
        const via = tunnelNextHop(peer, mac, family)!
        neighbours.push({ address: via, mac })
        for (const destination of ranges) routes.push({ table: mainTable, destination, type: 'unicast', device: 'vxlan', via, source })
        // Pods reach the node itself through the tunnel too: the router between would drop their addresses.
        if (address !== undefined) routes.push({ table: routing.overlayTable, destination: hostCidr(address), type: 'unicast', device: 'vxlan', via, source: undefined })
      }
    }
    if (remote !== undefined) forwarding.push({ mac, remote })
  }

  const local = ipOf(self, tunnelFamily(self))
  // A rule costs every routed packet a look: none where no peer is behind a router.
  const tunnelled = new Set(routes.filter(({ table }) => table === routing.overlayTable).map(({ destination }) => destination.family))
  return {
    podMtuBytes: config.mtuBytes ?? tunnelMtuBytes,
    tunnel: config.mode === 'direct' || local === undefined
      ? undefined
      : { name: links.vxlan, vni: config.vni, port: config.port, local, mac: tunnelMac(self.name), mtuBytes: tunnelMtuBytes, forwarding, neighbours },
    routes: routes.sort((a, b) => a.table - b.table || compareCidr(a.destination, b.destination)),
    rules: self.podCidrs.filter(({ family }) => tunnelled.has(family)).map((from) => ({ from, table: routing.overlayTable, preference: routing.overlayRulePreference })),
    ruleset: compileRuleset(model, config),
  }
}

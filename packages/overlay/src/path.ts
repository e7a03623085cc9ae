import type { NodeName } from '@weft/api'
import { createHash } from 'node:crypto'
import { cidrContains, firstIp, type IpAddress, ipFromBytes, type MacAddress, macFromBytes, macToBytes } from '@weft/ip'
import type { OverlayConfig } from './config.ts'
import type { OverlayNode, Uplink } from './model.ts'

/** How traffic gets from this node to a peer. */
export type Path =
  /** Both are on one link: the peer's address is the next hop. */
  | { readonly kind: 'direct', readonly via: IpAddress }
  /** A router between them, which may drop pod addresses: inside VXLAN to that address. */
  | { readonly kind: 'vxlan', readonly remote: IpAddress }
  /** No family in common, or encapsulation is off and the router has to know. */
  | { readonly kind: 'none' }

/**
 * Chooses the path for one family of inner traffic. The tunnel itself may run over the other family: it takes IPv4 where
 * this node has it, as one VXLAN device has one local address.
 */
export function choosePath(self: OverlayNode, peer: OverlayNode, { uplink, config, family }: { readonly uplink: Uplink, readonly config: OverlayConfig, readonly family: 4 | 6 }): Path {
  const address = ipOf(peer, family)
  const onLink = address !== undefined && uplink.networks.some((network) => network.family === family && cidrContains(network, address))
  if (onLink && config.mode !== 'vxlan') return { kind: 'direct', via: address }
  if (config.mode === 'direct') return { kind: 'none' }
  const remote = ipOf(peer, tunnelFamily(self))
  return remote === undefined ? { kind: 'none' } : { kind: 'vxlan', remote }
}

/** The family whose addresses end the tunnels of this node. All nodes of a cluster have the same families, so all choose alike. */
export function tunnelFamily(self: OverlayNode): 4 | 6 {
  return ipOf(self, 4) === undefined ? 6 : 4
}

export function ipOf(node: OverlayNode, family: 4 | 6): IpAddress | undefined {
  return node.ips.find((ip) => ip.family === family)
}

/** Bytes VXLAN adds to a packet: outer IP and UDP, VXLAN, and the inner Ethernet header (RFC 7348 §5). */
export function vxlanOverheadBytes(family: 4 | 6): number {
  return (family === 4 ? 20 : 40) + 8 + 8 + 14
}

/**
 * The MAC address of a node's tunnel end, derived from its name: every node knows it of every other without having been
 * told, and it survives reinstallation.
 */
export function tunnelMac(nodeName: NodeName): MacAddress {
  const digest = createHash('sha256').update(`weft vxlan ${nodeName}`).digest()
  // Locally administered, unicast (IEEE 802 §8.4).
  return macFromBytes(Uint8Array.of((digest[0]! & 0xfc) | 0x02, ...digest.subarray(1, 6)))
}

/**
 * The next hop that stands for a peer inside the tunnel; a permanent neighbour answers for it.
 *
 * IPv6: the link-local address of its MAC (RFC 4291, appendix A), for the kernel refuses any next hop that another
 * route already leads to elsewhere, as while a peer moves from the link to behind a router. IPv4 has no such check: the
 * node's address, or without one the first of its pods'.
 */
export function tunnelNextHop(peer: OverlayNode, mac: MacAddress, family: 4 | 6): IpAddress | undefined {
  if (family === 6) return linkLocalOf(mac)
  const range = peer.podCidrs.find((each) => each.family === 4)
  return ipOf(peer, 4) ?? (range === undefined ? undefined : firstIp(range))
}

function linkLocalOf(mac: MacAddress): IpAddress {
  const bytes = macToBytes(mac)
  return ipFromBytes(Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, bytes[0]! ^ 0x02, bytes[1]!, bytes[2]!, 0xff, 0xfe, bytes[3]!, bytes[4]!, bytes[5]!))
}

import type { IfIndex, IpAddress, MacAddress } from '@weft/ip'

/** What every new link may be given. */
export interface LinkBase {
  /** At most 15 bytes, no slash, no blank. */
  readonly name: string
  /** Interface index of one's choice; the kernel's choice when absent. */
  readonly index?: IfIndex | undefined
  /** Give one: udev rewrites the MAC addresses the kernel made up. */
  readonly mac?: MacAddress | undefined
  readonly mtu?: number | undefined
  readonly up?: boolean | undefined
  /** Index of the bridge to join. */
  readonly master?: IfIndex | undefined
  /** Descriptor of the network namespace to be made in; the socket's own when absent. */
  readonly netnsFd?: number | undefined
  readonly group?: number | undefined
  readonly queues?: number | undefined
}

/** The far end of a veth pair, made in the same message, straight in its namespace. The kernel cannot bring it up in that message (ENOTCONN). */
export type VethPeer = Omit<LinkBase, 'master' | 'up'>

export interface VethSpec extends LinkBase {
  readonly kind: 'veth'
  readonly peer: VethPeer
}

export interface BridgeSpec extends LinkBase {
  readonly kind: 'bridge'
  readonly stp?: boolean | undefined
  readonly vlanFiltering?: boolean | undefined
  readonly multicastSnooping?: boolean | undefined
  /** Frames of IPv4 and IPv6 meet the hooks of IP, whatever `net.bridge` says for all bridges. Says nothing of whether br_netfilter is there. */
  readonly ipHooks?: boolean | undefined
}

export interface VxlanSpec extends LinkBase {
  readonly kind: 'vxlan'
  /** VXLAN network identifier, 24 bits. */
  readonly vni: number
  /** UDP destination port. The kernel's own default is 8472, the standard's 4789: say which. */
  readonly port: number
  /** Source address of the outer packets. */
  readonly local?: IpAddress | undefined
  /** Index of the underlay link. */
  readonly device?: IfIndex | undefined
  /** Whether the link learns where MAC addresses are from the packets it gets. */
  readonly learning: boolean
  /** One peer, or a multicast group, for packets without a forwarding entry. */
  readonly remote?: IpAddress | undefined
  readonly ttl?: number | undefined
  /** UDP checksum of outer IPv4 packets. */
  readonly udpChecksum?: boolean | undefined
  /** Outer IPv6 packets may go without a UDP checksum, and come without one. */
  readonly udp6ZeroChecksum?: boolean | undefined
}

/** Kinds without parameters of their own. */
export interface PlainLinkSpec extends LinkBase {
  readonly kind: 'dummy' | 'ifb' | 'wireguard'
}

export type LinkSpec = VethSpec | BridgeSpec | VxlanSpec | PlainLinkSpec

/** What can be changed on a link that is there. */
export interface LinkChange {
  readonly name?: string | undefined
  readonly up?: boolean | undefined
  readonly mtu?: number | undefined
  readonly mac?: MacAddress | undefined
  /** Index of the bridge to join, 0 to leave it. */
  readonly master?: IfIndex | 0 | undefined
  /** Moves the link into another network namespace; its addresses and routes stay behind. */
  readonly netnsFd?: number | undefined
  readonly alias?: string | undefined
  /** Of a bridge: as {@link BridgeSpec.ipHooks}. */
  readonly ipHooks?: boolean | undefined
  readonly group?: number | undefined
  readonly txQueueLength?: number | undefined
}

/** Settings of a bridge's port. */
export interface BridgePortChange {
  readonly hairpin?: boolean | undefined
  readonly learning?: boolean | undefined
  readonly flood?: boolean | undefined
  /** Isolated ports do not reach each other. */
  readonly isolated?: boolean | undefined
}

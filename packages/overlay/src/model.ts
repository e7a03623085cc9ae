import type { Cidr, IpAddress } from '@weft/ip'

/** A node as its peers see it. */
export interface OverlayNode {
  readonly name: string
  /** At most one per family: where its tunnel ends, and what its own traffic comes from. */
  readonly ips: readonly IpAddress[]
  /** Networks whose addresses its pods have. */
  readonly podCidrs: readonly Cidr[]
}

/** The link that carries traffic to other nodes: the one that has the node's address. */
export interface Uplink {
  readonly index: number
  readonly name: string
  readonly mtuBytes: number
  /** Networks that are reached on it without a router. */
  readonly networks: readonly Cidr[]
}

export interface OverlayModel {
  readonly self: OverlayNode
  readonly uplink: Uplink
  /** All other nodes that have an address, in order of name. */
  readonly peers: readonly OverlayNode[]
}

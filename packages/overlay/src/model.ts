import type { NodeName } from '@weft/api'
import type { Cidr, IfIndex, IpAddress } from '@weft/ip'

/** A node as its peers see it. */
export interface OverlayNode {
  readonly name: NodeName
  /** At most one per family: where its tunnel ends, and what its own traffic comes from. */
  readonly ips: readonly IpAddress[]
  /** Networks whose addresses its pods have; no two nodes share an address. */
  readonly podCidrs: readonly Cidr[]
}

/** Something a Node or IPBlock object says that would break the paths of others: only this is left out (promise P10). */
export interface Refusal {
  readonly node: NodeName
  /** e.g. `range 10.0.0.0/8`. */
  readonly what: string
  readonly reason: string
}

/** What the cluster's objects say, before the kernel is asked about the uplink. */
export interface OverlayNodes {
  readonly self: OverlayNode
  /** All other nodes that have an address, in order of name. */
  readonly peers: readonly OverlayNode[]
  readonly refusals: readonly Refusal[]
}

/** The link that carries traffic to other nodes: the one that has the node's address. */
export interface Uplink {
  readonly index: IfIndex
  readonly name: string
  readonly up: boolean
  readonly mtuBytes: number
  /** Networks that are reached on it without a router. */
  readonly networks: readonly Cidr[]
  /** Those of the node's addresses that this machine has now; the kernel takes no other as the source of a route. */
  readonly addresses: readonly IpAddress[]
}

export interface OverlayModel extends OverlayNodes {
  readonly uplink: Uplink
}

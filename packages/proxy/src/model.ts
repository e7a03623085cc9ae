import type { Protocol } from '@weft/api'
import type { Cidr, IpAddress } from '@weft/ip'

/** Where a connection to a virtual port may end. */
export interface Backend {
  readonly ip: IpAddress
  readonly port: number
  /** It runs on this node. */
  readonly local: boolean
}

/** One address, protocol and port that a Service answers on. */
export interface VirtualPort {
  readonly ip: IpAddress
  readonly protocol: Protocol
  readonly port: number
  /** `node`: an address of this node itself, so clients come from anywhere and answers must come back through here. */
  readonly kind: 'cluster' | 'node'
  /** In order of address and port; empty when nobody serves. */
  readonly backends: readonly Backend[]
}

/** A Service as this node serves it. */
export interface ServiceModel {
  /** `namespace/name`. */
  readonly key: string
  /** Cluster addresses, refused on every port that has no backend. */
  readonly vips: readonly IpAddress[]
  readonly ports: readonly VirtualPort[]
  /** For the DNS Service: UDP that is answered on this node without connection tracking. */
  readonly localDns: readonly LocalDns[]
}

/** UDP to `vip`:`vipPort` goes to `server`:`serverPort` on this node, rewritten packet by packet. */
export interface LocalDns {
  readonly vip: IpAddress
  readonly vipPort: number
  readonly server: IpAddress
  readonly serverPort: number
}

/** What the proxy has to know of nodes and ranges; changes seldom. */
export interface NodeModel {
  /** This node's own address, one per family: the source of what must come back through here. */
  readonly ips: readonly IpAddress[]
  /** Where NodePorts answer. */
  readonly nodePortIps: readonly IpAddress[]
  /** Pod ranges and node addresses: clients in them are reached without NAT. */
  readonly clusterRanges: readonly Cidr[]
}

import type { Protocol } from '@weft/api'
import type { Cidr, IpAddress } from '@weft/ip'
import type { Lack } from './kernel-features.ts'
import type { ProxyError } from './proxy-error.ts'

/** Where a connection to a virtual port may end. */
export interface Backend {
  readonly ip: IpAddress
  readonly port: number
  /** It runs on this node. */
  readonly local: boolean
}

/** A backend that no longer serves, and keeps its UDP flows all the same (`weft.dev/drainSeconds`). */
export interface HeldBackend {
  readonly backend: Backend
  /** Until when, in seconds since 1970. */
  readonly endsAt: number
}

/** Session affinity of one Service port, shared by all its addresses of a family (SVC-77). */
export interface Affinity {
  /** How long after its last new connection a client is remembered; 1 to 86400. */
  readonly seconds: number
  /** Number of the Service port, its lower bits 0 (see affinity.ts). */
  readonly port: number
  /** Number of each backend, by `backendKey`. */
  readonly ids: ReadonlyMap<string, number>
}

/**
 * What kind of address a virtual port has, the strongest claim first: a cluster IP, an address of this node (NodePort), an
 * address from outside (external IP, load balancer).
 */
export const kinds = ['cluster', 'node', 'external'] as const
export type Kind = (typeof kinds)[number]

/** One address, protocol and port that a Service answers on. */
export interface VirtualPort {
  /** `namespace/name` of the Service that asks for it. */
  readonly service: string
  readonly ip: IpAddress
  readonly protocol: Protocol
  readonly port: number
  readonly kind: Kind
  /** New connections are spread over these; in order of address and port, and as often as their weight says. */
  readonly backends: readonly Backend[]
  /** With `externalTrafficPolicy: Local`: the only ones for clients that are not on this node. */
  readonly local: readonly Backend[] | undefined
  /** Nobody answers on this node, but others do elsewhere (`internalTrafficPolicy: Local`): packets are dropped instead of refused. */
  readonly elsewhere: boolean
  /** They get no new connections, but still serve: UDP flows may stay with them. */
  readonly lingering: readonly Backend[]
  /** They do not even serve; UDP only. */
  readonly held: readonly HeldBackend[]
  /** Undefined when every connection is on its own. */
  readonly affinity: Affinity | undefined
  /** Clients that may connect; absent means all. In order, without overlaps. */
  readonly sources: readonly Cidr[] | undefined
}

/** A Service as this node serves it. */
export interface ServiceModel {
  /** `namespace/name`. */
  readonly key: string
  /** Cluster addresses, refused on every port that nobody has. */
  readonly vips: readonly IpAddress[]
  readonly ports: readonly VirtualPort[]
  /** For the DNS Service: UDP that is answered on this node without connection tracking. */
  readonly localDns: readonly LocalDns[]
  /** How long UDP flows stay with a backend that no longer serves; undefined: not at all. */
  readonly drainSeconds: number | undefined
  /** Why some of its addresses are not served. */
  readonly refusals: readonly ProxyError[]
}

/** UDP to `vip`:53 goes to `server`:`serverPort` on this node, rewritten packet by packet; answers come back as the `vip`'s. */
export interface LocalDns {
  readonly vip: IpAddress
  readonly server: IpAddress
  readonly serverPort: number
  /** False while queries go to other nodes: what the server was asked before is still answered. */
  readonly isUsed: boolean
}

/** What the proxy has to know of nodes and ranges; changes seldom. */
export interface NodeModel {
  /** Zone of this node; empty when it is in none. */
  readonly zone: string
  /** How many clients session affinity remembers at most, of each family. */
  readonly affinityClients: number
  /** This node's own address, one per family: the source of what must come back through here. */
  readonly ips: readonly IpAddress[]
  /** Where NodePorts answer, loopback addresses among them if they do there. */
  readonly nodePortIps: readonly IpAddress[]
  /** Of this node's object, in its order; none until it has them, or where pods get addresses out of blocks. They stand in a chain. */
  readonly podRanges: readonly Cidr[]
  /** Pods of this node and the node itself. Like the ranges below: in order, without overlaps. */
  readonly nearRanges: readonly Cidr[]
  /** All pods and nodes: clients that are reached without NAT. */
  readonly clusterRanges: readonly Cidr[]
  /** Ranges of cluster IPs. */
  readonly serviceRanges: readonly Cidr[]
  /** What this kernel lacks, where it lacks anything. */
  readonly lacks?: ReadonlySet<Lack> | undefined
}

/** Text that is equal for equal addresses of either family. */
export function ipKey({ family, bits }: IpAddress): string {
  return family === 4 ? String(bits) : `${bits.toString(16)}:`
}

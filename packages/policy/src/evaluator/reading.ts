import type { Protocol } from '@weft/api'
import type { IpAddress } from '@weft/ip'

/** What selectors see of a pod. */
export interface PodFacts {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
}

/** Who is on the other side. */
export interface Peer {
  /** Addresses it goes by: any of them is enough for a rule. */
  readonly ips: readonly IpAddress[]
  /** Pods it may be; none when it is no pod, several while an address is used anew. */
  readonly pods: readonly PodFacts[]
  /** A server of the cluster DNS, which is a pod to who writes policies and no node. */
  readonly isDns: boolean
}

/** Where the connection ends. */
export interface ServedPort {
  readonly protocol: Protocol | 'ICMP'
  readonly port: number | undefined
  /** What the pod there calls it. */
  readonly names: readonly string[]
}

/**
 * One way to read a packet. There is one for nearly all packets; what goes to a server of the cluster DNS is also read as
 * sent to the DNS Service, with the labels of the DNS pods (DESIGN.md, promise 9).
 */
export interface Reading {
  readonly peer: Peer
  readonly served: ServedPort
}

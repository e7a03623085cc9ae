import type { ContainerPort, Protocol } from '@weft/api'
import type { IpAddress } from '@weft/ip'

/** A pod as peer or target of rules. */
export interface PolicyPod {
  /** `namespace/name`. */
  readonly key: string
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly ips: readonly IpAddress[]
  readonly ports: readonly ContainerPort[]
}

/** The cluster DNS as a peer: what rules that select its labels allow. */
export interface DnsPeer {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly endpoints: readonly DnsEndpoint[]
  /** Service addresses: replies that were not tracked come from them. */
  readonly vips: readonly IpAddress[]
}

/** One way to reach the DNS: a server on a node, or the Service's own address. */
export interface DnsEndpoint {
  readonly ip: IpAddress
  readonly protocol: Protocol
  readonly port: number
  /** The port of the Service that leads here: what rules name. */
  readonly servicePort: number
  readonly servicePortName: string
}

import type { ContainerPort, Protocol } from '@weft/api'
import type { IpAddress } from '@weft/ip'

/** A pod as peer of rules. */
export interface PolicyPod {
  /** `namespace/name`. */
  readonly key: string
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly ips: readonly IpAddress[]
  readonly ports: readonly ContainerPort[]
  readonly standing: Standing
}

/**
 * How sure it is that the pod's addresses are its own. An address may be given to the next pod while the API still shows
 * its last owner: `attached` here beats `present` in the API, and that beats `leaving` (its deletion was asked for).
 */
export type Standing = 'attached' | 'present' | 'leaving'

/** By what policies select a pod. */
export interface PodIdentity {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
}

/** A pod of this node that policies protect. */
export interface TargetPod {
  readonly ips: readonly IpAddress[]
  /** Undefined when the API does not know the pod: nothing passes then. */
  readonly identity: PodIdentity | undefined
}

/** A node as peer of rules, with all its addresses. */
export interface PolicyNode {
  readonly labels: Readonly<Record<string, string>>
  readonly addresses: readonly IpAddress[]
}

/** What selectors see of a namespace. */
export interface PolicyNamespace {
  readonly labels: Readonly<Record<string, string>>
  /** Its objects are being deleted, in no particular order. */
  readonly deleting: boolean
}

/** The cluster DNS as a peer: what rules that select its labels, or its addresses, allow. */
export interface DnsPeer {
  readonly namespace: string
  readonly labels: Readonly<Record<string, string>>
  readonly ports: readonly DnsPort[]
  /** Addresses of the Service: replies that were not tracked come from them. */
  readonly vips: readonly IpAddress[]
}

/** A port of the DNS Service, what rules name, and where its packets end. */
export interface DnsPort {
  readonly protocol: Protocol
  readonly port: number
  readonly name: string
  /** Servers, and the Service's own addresses: not on every path has the destination been rewritten yet. */
  readonly endpoints: readonly { readonly ip: IpAddress, readonly port: number }[]
}

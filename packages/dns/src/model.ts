import type { IpAddress } from '@weft/ip'

/** Protocols as SRV names spell them. */
export type DnsProtocol = 'tcp' | 'udp' | 'sctp'

export interface DnsPort {
  /** Empty for a port without a name: it has no `_port._proto` name of its own. */
  readonly name: string
  readonly protocol: DnsProtocol
  readonly port: number
}

/** An endpoint that may be named: ready, or its Service publishes those that are not. */
export interface DnsEndpoint {
  readonly address: IpAddress
  /** One label; empty when the endpoint is named after its address. */
  readonly hostname: string
  readonly ports: readonly DnsPort[]
}

/**
 * One Service as the zone sees it: `cluster` has addresses of its own, `headless` those of its endpoints, `external`
 * another name.
 */
export interface DnsService {
  readonly namespace: string
  readonly name: string
  readonly kind: 'cluster' | 'headless' | 'external'
  /** Cluster IPs; empty for the other kinds. */
  readonly addresses: readonly IpAddress[]
  /** Of `external` only. */
  readonly externalName: string
  readonly ports: readonly DnsPort[]
  readonly endpoints: readonly DnsEndpoint[]
}

/** Everything the zone is made of; nothing of Kubernetes but its words. */
export interface DnsModel {
  readonly services: readonly DnsService[]
  readonly namespaces: readonly string[]
  /** Addresses of pods by namespace; asked for in pod mode `verified` only. */
  readonly pods: readonly { readonly namespace: string, readonly address: IpAddress }[]
  /** Seconds since 1970 of the last change that mattered: the serial of the SOA record. */
  readonly serial: number
}

/** One step from a model to the next; what workers are told. */
export type ModelChange =
  | { readonly kind: 'service', readonly key: string, readonly service: DnsService | undefined }
  | { readonly kind: 'namespace', readonly name: string, readonly present: boolean }
  | { readonly kind: 'pod', readonly namespace: string, readonly address: IpAddress, readonly present: boolean }

/** `namespace/name`. */
export function serviceKey(service: { readonly namespace: string, readonly name: string }): string {
  return `${service.namespace}/${service.name}`
}

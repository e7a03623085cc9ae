import type { IpAddress } from '@weft/ip'

/** A pod interface that a node's agent has wired: what the CNI attachment store keeps and what policy is told about. */
export interface Attachment {
  readonly containerId: string
  /** Interface name inside the pod, e.g. `eth0`. */
  readonly ifname: string
  readonly namespace: string
  readonly name: string
  /** Empty when the runtime does not tell. */
  readonly uid: string
  /** Host end of the link. */
  readonly hostIfname: string
  /** One per family, the order of the CNI result. */
  readonly ips: readonly IpAddress[]
}

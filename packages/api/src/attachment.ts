import type { IpAddress } from '@weft/ip'
import type { PodUid } from './pod-uid.ts'

/** A pod interface that a node's agent has wired: what the CNI attachment store keeps and what policy is told about. */
export interface Attachment {
  readonly containerId: string
  /** Interface name inside the pod, e.g. `eth0`. */
  readonly ifname: string
  readonly namespace: string
  readonly name: string
  /** Undefined when the runtime does not tell. */
  readonly uid: PodUid | undefined
  /** Host end of the link. */
  readonly hostIfname: string
  /** One per family, the order of the CNI result. */
  readonly ips: readonly IpAddress[]
}

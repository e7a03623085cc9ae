/**
 * What wiring a pod needs from the rest of the agent. The assembly connects these; cni knows no other feature.
 */
import type { RangeSet } from '@weft/allocator'
import type { Attachment, PodUid } from '@weft/api'
import type { IpAddress, Ipv4, Ipv6 } from '@weft/ip'

export interface AttachmentKey {
  readonly containerId: string
  readonly ifname: string
}

/** An attachment as the address store keeps it. */
export interface StoredAttachment extends Attachment {
  /** `pending` until ADD is answered, `releasing` from the answer of DEL until its addresses are free. */
  readonly state: 'pending' | 'attached' | 'releasing'
  readonly netns: string
  /** What cni gave to `allocate`, unchanged. */
  readonly data: string
}

export interface AddressRequest extends AttachmentKey {
  readonly pod: { readonly namespace: string, readonly name: string, readonly uid: PodUid | undefined }
  readonly hostIfname: string
  readonly netns: string
  readonly requested?: readonly IpAddress[] | undefined
  /** Where addresses of these families come from instead of the node's ranges. */
  readonly ranges?: readonly RangeSet[] | undefined
  readonly data?: string | undefined
}

export interface AddressReservation {
  /** One per family, in the order of the result. */
  readonly addresses: readonly IpAddress[]
  /** Resolves when the reservation is durable; rejects, and then nothing is reserved. */
  readonly committed: Promise<void>
}

/**
 * Addresses and the durable list of attachments (`@weft/allocator`). Errors that go away by themselves carry
 * `retryable: true`.
 */
export interface AddressPort {
  /** False until this node has ranges, and while attachments cannot be written. */
  readonly ready: boolean
  /** What keeps it from being ready, with the remedy, as far as that is known. */
  readonly trouble: string | undefined
  /** Finds out whether a trouble is over; rejects while it is not. */
  mend(): Promise<void>
  allocate(request: AddressRequest, options: { readonly signal: AbortSignal }): Promise<AddressReservation>
  confirm(key: AttachmentKey): Promise<void>
  /** Durable when resolved; undefined if there is no such attachment. */
  beginRelease(key: AttachmentKey): Promise<StoredAttachment | undefined>
  release(key: AttachmentKey): Promise<void>
  find(key: AttachmentKey): StoredAttachment | undefined
  attachments(): readonly StoredAttachment[]
  /** Where a store that could not be read was put; then the attachments of this node are unknown until they are restored. */
  readonly setAside: string | undefined
  /** Durable when resolved. */
  restore(attachment: StoredAttachment): Promise<void>
}

type PodName = Pick<Attachment, 'namespace' | 'name' | 'uid'>

/** Pods of this node, as the API has them. */
export interface PodsPort {
  /** Undefined while that is not known. */
  has(pod: PodName): boolean | undefined
  byAddress(ip: IpAddress): PodName | undefined
}

/** The pod's filter (`@weft/policy`): it is in the kernel before ADD is answered (promise P4). */
export interface CoverPort {
  readonly ready: boolean
  /** Resolves when traffic of these addresses is filtered as the policies say. */
  cover(attachment: Attachment, signal: AbortSignal): Promise<void>
  /** The link is gone and its addresses are about to be free. */
  uncover(attachment: Attachment): Promise<void>
}

/** The path's MTU (`@weft/overlay`). */
export interface MtuPort {
  /** For both ends of a new pod link, in bytes. */
  podMtu(): number
}

export interface NodeAddresses {
  readonly 4?: Ipv4 | undefined
  readonly 6?: Ipv6 | undefined
}

/** Who this node is. */
export interface NodePort {
  /** Addresses that traffic to pods comes from, and hostPorts answer on. */
  addresses(): NodeAddresses
}

export interface CniPorts {
  /** What else speaks against wiring pods, with the remedy: ADD is refused, and may be tried again. @default nothing */
  readonly trouble?: (() => string | undefined) | undefined
  readonly address: AddressPort
  readonly cover: CoverPort
  readonly mtu: MtuPort
  readonly node: NodePort
  /** Absent on a node without Kubernetes: then only links and namespaces say what lives. */
  readonly pods?: PodsPort | undefined
}

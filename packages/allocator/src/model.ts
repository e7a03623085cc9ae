import type { Attachment, PodUid } from '@weft/api'
import type { Family, IpAddress } from '@weft/ip'
import type { RangeSet } from './range-set.ts'

/** What names an attachment to the runtime: one interface of one container. */
export interface AttachmentKey {
  readonly containerId: string
  readonly ifname: string
}

export const attachmentStates = ['pending', 'attached', 'releasing'] as const

/**
 * How far an attachment has come.
 * - `pending`: addresses are reserved, the runtime may not have heard of it.
 * - `attached`: ADD was answered.
 * - `releasing`: DEL was answered, the link may still exist, the addresses are not free yet.
 */
export type AttachmentState = (typeof attachmentStates)[number]

/** An attachment as the store keeps it. */
export interface AttachmentRecord extends Attachment {
  readonly state: AttachmentState
  /** `CNI_NETNS` as the runtime gave it. */
  readonly netns: string
  /** Whatever else the owner keeps about the attachment, e.g. its host ports as JSON. */
  readonly data: string
}

export interface AllocateRequest extends AttachmentKey {
  readonly pod: { readonly namespace: string, readonly name: string, readonly uid: PodUid | undefined }
  readonly hostIfname: string
  readonly netns: string
  /** One address of each, in this order; default: those of `ranges`, then every other family the node has ranges for. */
  readonly families?: readonly Family[] | undefined
  /** Where addresses of these families come from instead of the node's ranges, as `readRangeSets` gives them. */
  readonly ranges?: readonly RangeSet[] | undefined
  /** Addresses wanted, at most one per family. */
  readonly requested?: readonly IpAddress[] | undefined
  readonly data?: string | undefined
}

export interface Reservation {
  /** One per family, in the order asked for. */
  readonly addresses: readonly IpAddress[]
  /**
   * Resolves when the reservation is on disk. Nothing may be told to the runtime before. Rejects with an
   * {@link IpamError}, and then nothing is reserved.
   */
  readonly committed: Promise<void>
}

/** `containerId/ifname`. A container id holds no slash, so two keys never meet. */
export function keyText({ containerId, ifname }: AttachmentKey): string {
  return `${containerId}/${ifname}`
}

/** What the store's two halves say to each other: text only, so that the worker imports nothing of the workspace. */

export interface StoredAttachment {
  readonly containerId: string
  readonly ifname: string
  readonly state: string
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly netns: string
  readonly hostIfname: string
  readonly data: string
  /** Canonical text, the order of the CNI result. */
  readonly addresses: readonly string[]
}

export type StoreOperation =
  | { readonly kind: 'insert', readonly attachment: StoredAttachment }
  | { readonly kind: 'state', readonly containerId: string, readonly ifname: string, readonly state: string }
  | { readonly kind: 'delete', readonly containerId: string, readonly ifname: string }
  /** Changes nothing, and needs all that a change does: can the disk be written again? */
  | { readonly kind: 'probe' }

export interface StoreRequest {
  readonly id: number
  readonly operation: StoreOperation
}

/**
 * Only a reservation waits for the disk. What a power cut takes back of the rest is found again, for it takes every link and namespace too: that an
 * attachment was going or gone, by GC and the collector. Whatever is written after it, and waited for, takes it along.
 */
export function waitsForDisk(operation: StoreOperation): boolean {
  return operation.kind === 'insert'
}

/** What was asked for in one turn of the event loop, in order; or the end. */
export type StoreMessage = readonly StoreRequest[] | 'close'

export interface StoreResult {
  readonly id: number
  /** Message of SQLite's error; absent on success. */
  readonly error?: string
}

export type StoreReply =
  | { readonly kind: 'open', readonly attachments: readonly StoredAttachment[], readonly cursors: readonly string[], readonly setAside?: string | undefined }
  | { readonly kind: 'failed', readonly error: string }
  | { readonly kind: 'done', readonly results: readonly StoreResult[], readonly commitMs: number }

import type { Cidr, Family } from '@weft/ip'

/** Where this node's ranges come from. Told to the allocator as a whole at every change, primary family first. */
export interface RangeSource {
  /** Word for logs and the dump: `node-cidr` or `blocks`. */
  readonly mode: string
  /** Why it has told no range yet, as far as that is known. */
  readonly trouble?: string | undefined
  /** Follows the source until aborted. */
  run(signal: AbortSignal): Promise<void>
  /**
   * Asks for more room.
   *
   * @returns When the source has done what it can; the caller tries again and may still find nothing.
   */
  grow(family: Family, signal: AbortSignal): Promise<void>
  /** A family runs low: get more before somebody has to wait for it. Cheap, may be called at any time. */
  low(): void
}

/** Receives all ranges of this node. */
export type RangeSink = (cidrs: readonly Cidr[]) => void

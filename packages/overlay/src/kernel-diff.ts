import type { NetlinkRequest } from '@weft/netlink'

/** What to write and what to delete so that the kernel has just what is wanted. */
export interface Difference<Wanted, Present> {
  readonly missing: readonly Wanted[]
  readonly surplus: readonly Present[]
}

interface Side<T> {
  readonly items: readonly T[]
  /** Which object of the kernel it is: writing one with the same key takes the place of the other. */
  readonly key: (item: T) => string
  /** Everything that counts: equal text means the kernel has it as wanted. */
  readonly text: (item: T) => string
}

/** Compares two lists. What is replaced by something missing is not surplus. */
export function difference<Wanted, Present>(wanted: Side<Wanted>, present: Side<Present>): Difference<Wanted, Present> {
  const have = new Set(present.items.map(present.text))
  const keys = new Set(wanted.items.map(wanted.key))
  return {
    missing: wanted.items.filter((item) => !have.has(wanted.text(item))),
    surplus: present.items.filter((item) => !keys.has(present.key(item))),
  }
}

/** Requests in an order that never leaves a path half made: `writes` first to last, then `deletes`. */
export interface KernelChanges {
  readonly writes: readonly NetlinkRequest[]
  readonly deletes: readonly NetlinkRequest[]
}

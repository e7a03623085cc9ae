import type { NetlinkRequest } from '@weft/netlink'

/** What to write and what to delete so that the kernel has just what is wanted. */
export interface Difference<Wanted, Present> {
  readonly missing: readonly Wanted[]
  readonly surplus: readonly Present[]
}

/**
 * An object of the kernel: which one it is (writing one with the same key takes the place of the other), and everything else
 * that counts.
 */
export type Described = readonly [key: string, rest: string]

interface Side<T> {
  readonly items: readonly T[]
  readonly describe: (item: T) => Described
}

/** Compares two lists. What is replaced by something missing is not surplus. */
export function difference<Wanted, Present>(wanted: Side<Wanted>, present: Side<Present>): Difference<Wanted, Present> {
  const have = new Map<string, string>()
  const surplus = new Map<string, Present[]>()
  for (const item of present.items) {
    const [key, rest] = present.describe(item)
    // Two of one key (a MAC address with two ends) are never as wanted.
    have.set(key, have.has(key) ? ' ' : rest)
    const same = surplus.get(key)
    if (same === undefined) surplus.set(key, [item])
    else same.push(item)
  }
  const missing: Wanted[] = []
  for (const item of wanted.items) {
    const [key, rest] = wanted.describe(item)
    surplus.delete(key)
    if (have.get(key) !== rest) missing.push(item)
  }
  return { missing, surplus: [...surplus.values()].flat() }
}

/** Requests in an order that never leaves a path half made: `writes` first to last, then `deletes`. */
export interface KernelChanges {
  readonly writes: readonly NetlinkRequest[]
  readonly deletes: readonly NetlinkRequest[]
}

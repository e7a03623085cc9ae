// How a virtual port's answer is written as one number, which travels as skb priority: nft prints 3 as `0:3`, and 0x10002 as `1:2`.

/** Nobody serves: refuse at once, so that the client need not wait (SVC-31). */
export const refuseCode = 0
/** The list of backends on this node; its backends have an index from this number on. */
export const localFlag = 0x1_0000
/** More backends than these get no connections: numbers end where `localFlag` begins. */
export const maxBackends = 0xffff
/** Nobody serves on this node, but others do: drop (SVC-33, SVC-34). */
export const dropCode = 0x1_0000
/** The same for ports with session affinity, whose numbers also hold for how long. */
export const maxStickyBackends = 0x1fff

const stickyFlag = 0x8000_0000
const stickyLocalFlag = 0x2000
const stickySecondsShift = 14

/** One list of backends, and how long clients come back to the same of them. */
export interface Pick {
  readonly count: number
  /** Only backends on this node. */
  readonly local: boolean
  /** Undefined without session affinity. */
  readonly seconds: number | undefined
}

/** The number that stands for a choice; `count` is at least 1. */
export function codeOf({ count, local, seconds }: Pick): number {
  if (seconds === undefined) return (local ? localFlag : 0) + count
  return (stickyFlag | (seconds << stickySecondsShift) | (local ? stickyLocalFlag : 0) | count) >>> 0
}

/** What a number stands for; undefined for the two that pick nobody. */
export function pickOf(code: number): Pick | undefined {
  if (code === refuseCode || code === dropCode) return undefined
  if (code < stickyFlag) return { count: code & maxBackends, local: code >= localFlag, seconds: undefined }
  return { count: code & maxStickyBackends, local: (code & stickyLocalFlag) !== 0, seconds: (code & ~stickyFlag) >>> stickySecondsShift }
}

import type { ConntrackEntry, ConntrackFilter } from '@weft/netlink'

export type FlowFilter = Pick<ConntrackFilter, 'family' | 'protocol' | 'origDst' | 'origDport'>
export type TrackedFlow = Pick<ConntrackEntry, 'original' | 'reply'>

/** Forgets conntrack entries; `Conntrack` of the netlink package is one. */
export interface FlowTable {
  /** @returns How many were deleted. */
  deleteMatching(filter: FlowFilter, condition: (flow: TrackedFlow) => boolean): number
}

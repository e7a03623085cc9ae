import type { IpAddress } from '@weft/ip'
import type { Name } from '../wire/name.ts'

/** One SRV record, and whose addresses go with it into the additional section. */
export interface SrvTarget {
  readonly priority: number
  readonly weight: number
  readonly port: number
  readonly target: Name
  readonly addresses: readonly IpAddress[]
}

/** All records of one name. A name without any exists for the sake of those below it (an empty non-terminal). */
export interface NodeRecords {
  readonly v4: readonly IpAddress[]
  readonly v6: readonly IpAddress[]
  readonly srv: readonly SrvTarget[]
  /** CNAME: nothing else is here then. */
  readonly alias: Name | undefined
}

export const noRecords: NodeRecords = { v4: [], v6: [], srv: [], alias: undefined }

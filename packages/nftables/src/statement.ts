import type { Ct, Expression, Meta, Payload } from './expression.ts'
import type { Tuple, Value } from './value.ts'

/** What happens to the packet; also the data of verdict maps. */
export interface Verdict {
  readonly kind: 'verdict'
  readonly verdict: 'accept' | 'drop' | 'continue' | 'return' | 'jump' | 'goto'
  /** Target of `jump` and `goto`. */
  readonly chain?: string | undefined
}

export type Comparison = '==' | '!=' | '<' | '<=' | '>' | '>='

/** `left op right`; the rule ends here unless it holds. */
export interface Match {
  readonly kind: 'match'
  readonly left: Expression
  readonly op: Comparison
  readonly right: Value
}

/** `ct state established,related`: any of the bits is set. */
export interface FlagMatch {
  readonly kind: 'flags'
  readonly left: Expression
  readonly names: readonly string[]
}

/** `left @name`, `left { a, b }` and their negations. */
export interface Membership {
  readonly kind: 'membership'
  readonly left: Expression
  readonly negated: boolean
  readonly set: string | readonly Tuple[]
}

/** `key vmap @name` or `key vmap { k : verdict }`. */
export interface VerdictMap {
  readonly kind: 'vmap'
  readonly key: Expression
  readonly map: string | readonly (readonly [key: Tuple, verdict: Verdict])[]
}

/** `dnat ip to …`, `snat ip6 to …`. */
export interface Nat {
  readonly kind: 'nat'
  readonly type: 'snat' | 'dnat'
  readonly family: 'ip' | 'ip6'
  /** An address, a range of them, or a lookup whose data is an address or address and port. */
  readonly address: Expression | Value
  readonly port?: number | { readonly from: number; readonly to: number } | undefined
  readonly flags: readonly NatFlag[]
}

export type NatFlag = 'random' | 'fully-random' | 'persistent'

/** `masquerade fully-random`. */
export interface Masquerade {
  readonly kind: 'masquerade'
  readonly port?: { readonly from: number; readonly to: number } | undefined
  readonly flags: readonly NatFlag[]
}

/** `redirect to :8080`. */
export interface Redirect {
  readonly kind: 'redirect'
  readonly port: number
}

/** `meta mark set …`, `ct mark set …`, `ip daddr set …`. Payload writes mend the checksums the kernel knows of. */
export interface Assignment {
  readonly kind: 'set'
  readonly target: Meta | Ct | Payload
  readonly value: Expression
}

/** `update @name { key timeout 5m : data }`. */
export interface DynamicElement {
  readonly kind: 'dynamic'
  readonly operation: 'add' | 'update' | 'delete'
  readonly set: string
  readonly key: Expression
  readonly timeoutMs?: number | undefined
  readonly data?: Expression | undefined
}

/** `counter packets 0 bytes 0`; its readings are no part of a ruleset's identity. */
export interface Counter {
  readonly kind: 'counter'
  readonly packets: bigint
  readonly bytes: bigint
}

/** `counter name "x"`. */
export interface NamedCounter {
  readonly kind: 'named-counter'
  readonly name: string
}

/** `log prefix "x" group 5`. */
export interface Log {
  readonly kind: 'log'
  readonly prefix?: string | undefined
  readonly level?: 'emerg' | 'alert' | 'crit' | 'err' | 'warn' | 'notice' | 'info' | 'debug' | undefined
  /** NFLOG group; excludes `level`. */
  readonly group?: number | undefined
}

/** `reject with tcp reset`; without `with`, port-unreachable in the packet's family. */
export interface Reject {
  readonly kind: 'reject'
  readonly with: RejectReason
}

export type RejectReason =
  | 'tcp reset' | 'icmpx port-unreachable' | 'icmpx admin-prohibited' | 'icmpx no-route' | 'icmpx host-unreachable'

/** `limit rate 10/second burst 5 packets`. */
export interface Limit {
  readonly kind: 'limit'
  readonly rate: number
  readonly per: 'second' | 'minute' | 'hour' | 'day'
  readonly burst: number
  /** What rate and burst count. */
  readonly unit: 'packets' | 'bytes'
  /** True matches what exceeds the rate. */
  readonly over: boolean
}

/** `notrack`. */
export interface Notrack {
  readonly kind: 'notrack'
}

/** One step of a rule. */
export type Statement =
  | Match | FlagMatch | Membership | VerdictMap | Verdict | Nat | Masquerade | Redirect | Assignment | DynamicElement | Counter | NamedCounter | Log | Reject
  | Limit | Notrack

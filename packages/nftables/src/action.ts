import type { Ct, Expression, Meta, Payload } from './expression.ts'
import type { Assignment, Counter, DynamicElement, Limit, Log, Masquerade, NamedCounter, Nat, NatFlag, Notrack, Redirect, Reject, RejectReason, Verdict } from './statement.ts'
import { meta } from './fields.ts'
import { checkName, setName } from './name.ts'
import type { MapDeclaration, SetDeclaration } from './table.ts'
import type { Value } from './value.ts'

/** Ends the hook's chain; later priorities of the same hook still see the packet. */
export const accept: Verdict = { kind: 'verdict', verdict: 'accept' }
/** The packet is gone. */
export const drop: Verdict = { kind: 'verdict', verdict: 'drop' }
/** Back to the rule after the jump; in a base chain, its policy. */
export const returnToCaller: Verdict = { kind: 'verdict', verdict: 'return' }
/** On to the next rule; of use in verdict maps. */
export const continueOn: Verdict = { kind: 'verdict', verdict: 'continue' }

/** Runs `chain` and comes back if it has no answer. */
export function jump(chain: string): Verdict {
  return { kind: 'verdict', verdict: 'jump', chain: checkName('chain', chain) }
}

/** Runs `chain` in place of the rest of this one. */
export function goTo(chain: string): Verdict {
  return { kind: 'verdict', verdict: 'goto', chain: checkName('chain', chain) }
}

/** How {@link dnat} and {@link snat} choose. */
export interface NatTarget {
  readonly family: 'ip' | 'ip6'
  /** An address, a range, or a lookup whose data is `[address]` or `[address, inet_service]`. */
  readonly to: Expression | Value
  /** nft wants `meta l4proto { tcp, udp }` (or one of them) before it. */
  readonly port?: number | { readonly from: number; readonly to: number } | undefined
  readonly flags?: readonly NatFlag[] | undefined
}

/** `dnat ip to 10.0.0.1:80`, `dnat ip to ip daddr . th dport map @endpoint`. */
export function dnat(target: NatTarget): Nat {
  return { kind: 'nat', type: 'dnat', family: target.family, address: target.to, port: target.port, flags: target.flags ?? [] }
}

/** `snat ip to 10.0.0.1 fully-random`. */
export function snat(target: NatTarget): Nat {
  return { kind: 'nat', type: 'snat', family: target.family, address: target.to, port: target.port, flags: target.flags ?? [] }
}

/** `masquerade fully-random`: the address is that of the outgoing interface. */
export function masquerade(options: { readonly flags?: readonly NatFlag[]; readonly port?: { readonly from: number; readonly to: number } } = {}): Masquerade {
  return { kind: 'masquerade', port: options.port, flags: options.flags ?? [] }
}

/** `redirect to :8080`. */
export function redirect(port: number): Redirect {
  return { kind: 'redirect', port }
}

/** `target set value`. */
export function assign(target: Meta | Ct | Payload, value: Expression | number | string | { readonly family: 4 | 6; readonly bits: bigint }): Assignment {
  return { kind: 'set', target, value: typeof value === 'object' && 'kind' in value ? value : { kind: 'constant', value } }
}

/** `meta mark set value`. */
export function setMark(value: Expression | number): Assignment {
  return assign(meta.mark, value)
}

/** Options of {@link addTo} and {@link updateIn}. */
export interface DynamicOptions {
  /** Overrides the set's own timeout. */
  readonly timeoutMs?: number | undefined
  /** Data, when the set is a map. */
  readonly data?: Expression | undefined
}

/** `add @set { key }`: an element that is there keeps its timeout. */
export function addTo(set: SetDeclaration | MapDeclaration | string, key: Expression, options: DynamicOptions = {}): DynamicElement {
  return { kind: 'dynamic', operation: 'add', set: setName(set), key, ...options }
}

/** `update @set { key timeout 5m : data }`: an element that is there is refreshed (its data stays). */
export function updateIn(set: SetDeclaration | MapDeclaration | string, key: Expression, options: DynamicOptions = {}): DynamicElement {
  return { kind: 'dynamic', operation: 'update', set: setName(set), key, ...options }
}

/** `delete @set { key }`; of a map, the kernel asks for data too, and ignores them. */
export function deleteFrom(set: SetDeclaration | MapDeclaration | string, key: Expression, options: Pick<DynamicOptions, 'data'> = {}): DynamicElement {
  return { kind: 'dynamic', operation: 'delete', set: setName(set), key, ...options }
}

/** `counter`, one of the rule's own. */
export function counter(): Counter {
  return { kind: 'counter', packets: 0n, bytes: 0n }
}

/** `counter name "x"`, one declared in the table. */
export function countIn(name: string): NamedCounter {
  return { kind: 'named-counter', name: checkName('counter', name) }
}

/** `log prefix "x" group 5`. Without a group, the kernel log, which is silent outside the first namespace. */
export function log(options: { readonly prefix?: string; readonly level?: Log['level']; readonly group?: number } = {}): Log {
  return { kind: 'log', ...options }
}

/** `reject with …`. */
export function reject(reason: RejectReason = 'icmpx port-unreachable'): Reject {
  return { kind: 'reject', with: reason }
}

/**
 * `limit rate 10/second burst 5 packets`, or `limit rate 1000 bytes/second burst 5 bytes`; what counts bytes has room for a unit of time more than its burst.
 *
 * @param options.unit What `rate` and `burst` count. @default 'packets'
 */
export function limit(rate: number, per: Limit['per'], options: { readonly burst?: number; readonly over?: boolean; readonly unit?: Limit['unit'] } = {}): Limit {
  return { kind: 'limit', rate, per, burst: options.burst ?? 5, unit: options.unit ?? 'packets', over: options.over ?? false }
}

/** `notrack`: conntrack and NAT leave the packet alone. Only before priority -200. */
export const notrack: Notrack = { kind: 'notrack' }

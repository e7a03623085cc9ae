import type { Expression } from './expression.ts'
import { setName } from './name.ts'
import type { Comparison, FlagMatch, Match, Membership, VerdictMap, Verdict } from './statement.ts'
import type { MapDeclaration, SetDeclaration } from './table.ts'
import type { Scalar, Tuple, Value } from './value.ts'

function compare(op: Comparison): (left: Expression, right: Scalar) => Match {
  return (left, right) => ({ kind: 'match', left, op, right })
}

/** `left right`: equal, inside the network, inside the range; an interface name may end in `*`. */
export function eq(left: Expression, right: Value): Match {
  return { kind: 'match', left, op: '==', right }
}

/** `left != right`. */
export function ne(left: Expression, right: Value): Match {
  return { kind: 'match', left, op: '!=', right }
}

/** `left < right`. */
export const lt: (left: Expression, right: Scalar) => Match = compare('<')
/** `left <= right`. */
export const le: (left: Expression, right: Scalar) => Match = compare('<=')
/** `left > right`. */
export const gt: (left: Expression, right: Scalar) => Match = compare('>')
/** `left >= right`. */
export const ge: (left: Expression, right: Scalar) => Match = compare('>=')

/** `ct state established,related`: any of the named bits is set. */
export function hasAny(left: Expression, ...names: readonly string[]): FlagMatch {
  return { kind: 'flags', left, names }
}

/** `left @set`. */
export function isIn(left: Expression, set: SetDeclaration | string): Membership {
  return { kind: 'membership', left, negated: false, set: setName(set) }
}

/** `left != @set`. */
export function notIn(left: Expression, set: SetDeclaration | string): Membership {
  return { kind: 'membership', left, negated: true, set: setName(set) }
}

/** `left { a, b }`, written in the rule. For lists that change, declare a set. */
export function oneOf(left: Expression, elements: readonly Tuple[]): Membership {
  return { kind: 'membership', left, negated: false, set: elements }
}

/** `left != { a, b }`. */
export function noneOf(left: Expression, elements: readonly Tuple[]): Membership {
  return { kind: 'membership', left, negated: true, set: elements }
}

/** `key vmap @map`. */
export function vmap(key: Expression, map: MapDeclaration | string): VerdictMap {
  return { kind: 'vmap', key, map: setName(map) }
}

/** `key vmap { k : verdict, … }`, written in the rule. */
export function vmapOf(key: Expression, entries: readonly (readonly [key: Tuple, verdict: Verdict])[]): VerdictMap {
  return { kind: 'vmap', key, map: entries }
}

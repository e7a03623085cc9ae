import type { DataTypeName } from './data-type.ts'
import type { AnonymousMap, Bits, Concat, Expression, Lookup } from './expression.ts'
import { setName } from './name.ts'
import type { MapDeclaration } from './table.ts'
import type { Tuple } from './value.ts'

/** `a . b . c`, the key of a set whose key has as many parts. */
export function concat(...parts: readonly Expression[]): Concat {
  return { kind: 'concat', parts }
}

/** `of & mask`. Several bit operations on one value fold into a single mask and xor, as the kernel has it. */
export function bitAnd(of: Expression, mask: number): Bits {
  const { inner, mask: before, xor } = unfold(of)
  return { kind: 'bits', of: inner, mask: (before & mask) >>> 0, xor: (xor & mask) >>> 0 }
}

/** `of ^ bits`. */
export function bitXor(of: Expression, bits: number): Bits {
  const { inner, mask, xor } = unfold(of)
  return { kind: 'bits', of: inner, mask, xor: (xor ^ bits) >>> 0 }
}

/** `of | bits`. */
export function bitOr(of: Expression, bits: number): Bits {
  const { inner, mask, xor } = unfold(of)
  return { kind: 'bits', of: inner, mask: (mask & ~bits) >>> 0, xor: ((xor & ~bits) | bits) >>> 0 }
}

/** `of & ~mask | bits`: replaces the bits under `mask`, foreign bits survive. */
export function replaceBits(of: Expression, mask: number, bits: number): Bits {
  return bitOr(bitAnd(of, ~mask >>> 0), bits)
}

function unfold(of: Expression): { readonly inner: Expression; readonly mask: number; readonly xor: number } {
  return of.kind === 'bits' ? { inner: of.of, mask: of.mask, xor: of.xor } : { inner: of, mask: 0xffffffff, xor: 0 }
}

/** `key map @name`. Give the declaration, or its name with the types of its data. */
export function lookup(key: Expression, map: MapDeclaration | { readonly name: string; readonly data: readonly DataTypeName[] }): Lookup {
  return { kind: 'lookup', key, map: setName(map), data: map.data === 'verdict' ? [] : map.data }
}

/** `key map { k : v, … }`, written in the rule. */
export function lookupIn(key: Expression, data: readonly DataTypeName[], entries: readonly (readonly [key: Tuple, data: Tuple])[]): AnonymousMap {
  return { kind: 'anonymous-map', key, entries, data }
}

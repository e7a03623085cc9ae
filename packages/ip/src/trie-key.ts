import type { Family } from './ip-address.ts'

/**
 * The bits of an address from the left, as four signed 32-bit numbers: V8 keeps those without a heap object, and compares
 * them tens of times faster than bigints. IPv4 uses the first alone.
 */
export interface Key {
  readonly a: number
  readonly b: number
  readonly c: number
  readonly d: number
}

const scratch = new DataView(new ArrayBuffer(16))

export function keyOf({ family, bits }: { readonly family: Family, readonly bits: bigint }): Key {
  if (family === 4) return { a: Number(bits) | 0, b: 0, c: 0, d: 0 }
  scratch.setBigUint64(0, bits >> 64n)
  scratch.setBigUint64(8, bits)
  return { a: scratch.getInt32(0), b: scratch.getInt32(4), c: scratch.getInt32(8), d: scratch.getInt32(12) }
}

/** How many bits from the left are equal: 128 when all are. */
export function commonBits(x: Key, y: Key): number {
  if (x.a !== y.a) return Math.clz32(x.a ^ y.a)
  if (x.b !== y.b) return 32 + Math.clz32(x.b ^ y.b)
  if (x.c !== y.c) return 64 + Math.clz32(x.c ^ y.c)
  return 96 + Math.clz32(x.d ^ y.d)
}

/** Whether the bit at that position from the left is one. */
export function bitAt(key: Key, position: number): boolean {
  const word = position < 64 ? (position < 32 ? key.a : key.b) : position < 96 ? key.c : key.d
  return ((word >>> (31 - (position & 31))) & 1) === 1
}

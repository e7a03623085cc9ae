declare const brand: unique symbol

/** The number of a link in its network namespace, from 1 to 2^31 - 1: 0 is nobody's, and the kernel counts in a C `int`. */
export type IfIndex = number & { readonly [brand]: 'IfIndex' }

const largest = 2 ** 31 - 1

/** The loopback link of every network namespace: the kernel makes it first (LOOPBACK_IFINDEX). */
export const loopbackIfIndex: IfIndex = ifIndexFrom(1)

/** @throws {RangeError} */
export function ifIndexFrom(number: number): IfIndex {
  if (!Number.isInteger(number) || number < 1 || number > largest) throw new RangeError(`Cannot build interface index from ${number}: wanted 1 to ${largest}`)
  return number as IfIndex
}

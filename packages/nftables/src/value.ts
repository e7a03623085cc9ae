/**
 * An address as `@weft/ip` makes it. Only the shape is asked for, so that test data needs no brand.
 * `bits` is the address as one unsigned number.
 */
export interface AddressValue {
  readonly family: 4 | 6
  readonly bits: bigint
}

/** A network as `@weft/ip` makes it: host bits are zero. */
export interface PrefixValue extends AddressValue {
  readonly prefix: number
}

/** One value of a scalar type: address, number (port, mark, protocol) or the type's own word (`tcp`, `established`, `eth0`). */
export type Scalar = AddressValue | number | string

/** All values from `from` to `to`, both included. */
export interface RangeValue {
  readonly kind: 'range'
  readonly from: Scalar
  readonly to: Scalar
}

/** What a field can be compared with: one value, a network, or a range. Text is parsed by the field's type and never becomes nft text unparsed. */
export type Value = Scalar | PrefixValue | RangeValue

/** Key or data of an element: one value, or one per part of a concatenation. */
export type Tuple = Value | readonly Value[]

/** Builds {@link RangeValue}, `from-to` in nft. */
export function range(from: Scalar, to: Scalar): RangeValue {
  return { kind: 'range', from, to }
}

/** The parts of a tuple, whether written as a list or as a single value. */
export function partsOf(tuple: Tuple): readonly Value[] {
  return isList(tuple) ? tuple : [tuple]
}

/** Tells a list of parts from a single value. */
export function isList(tuple: Tuple): tuple is readonly Value[] {
  return Array.isArray(tuple)
}

import { ipFromBits } from '@weft/ip'
import { NetlinkDecodeError } from '@weft/netlink'
import { type DataTypeName, dataType } from './data-type.ts'
import { type Layout } from './layout.ts'
import { type RangeValue, type Scalar, type Tuple, type Value } from './value.ts'

/**
 * Reads a number in a part's byte order.
 *
 * @throws {NetlinkDecodeError} If it does not lie within the bytes.
 */
export function readNumber(bytes: Uint8Array, at: number, length: number, isBig: boolean): bigint {
  if (at + length > bytes.length) throw new NetlinkDecodeError(`value: it has ${bytes.length} bytes, wanted ${at + length}`)
  if (length <= 4) {
    let number = 0
    for (let i = 0; i < length; i++) number = number * 256 + bytes[at + (isBig ? i : length - 1 - i)]!
    return BigInt(number)
  }
  let number = 0n
  for (let i = 0; i < length; i++) number = (number << 8n) | BigInt(bytes[at + (isBig ? i : length - 1 - i)]!)
  return number
}

/** A number of a type as the value a builder would have been given. */
function scalarOf(name: DataTypeName, number: bigint): Scalar {
  const type = dataType(name)
  switch (type.notation) {
    case 'ipv4': return ipFromBits(4, number)
    case 'ipv6': return ipFromBits(6, number)
    case 'symbol': return type.names.get(Number(number)) ?? Number(number)
    case 'ether': return number.toString(16).padStart(12, '0').replaceAll(/(..)(?=.)/g, '$1:')
    case 'decimal': case 'hex': case 'classid': case 'ifindex': case 'bitmask': case 'string': return Number(number)
  }
}

/** The span `from` to `to` as a value: one value, a network where it is one, else a range. */
export function spanOf(name: DataTypeName, from: bigint, to: bigint): Value {
  if (from === to) return scalarOf(name, from)
  const type = dataType(name)
  const size = to - from + 1n
  if ((type.notation === 'ipv4' || type.notation === 'ipv6') && (size & (size - 1n)) === 0n && from % size === 0n) {
    return { family: type.notation === 'ipv4' ? 4 : 6, bits: from, prefix: type.bytes * 8 - (size.toString(2).length - 1) }
  }
  return { kind: 'range', from: scalarOf(name, from), to: scalarOf(name, to) } satisfies RangeValue
}

/** Reads a tuple; with `end`, parts that differ are spans. */
export function readTuple(layout: Layout, bytes: Uint8Array, end?: Uint8Array): Tuple {
  const parts = layout.parts.map(({ type, offset, bytes: length }): Value => {
    if (type.notation === 'string') return textOf(bytes.subarray(offset, offset + length))
    const isBig = type.byteOrder === 'big'
    const from = readNumber(bytes, offset, length, isBig)
    return spanOf(type.name, from, end === undefined ? from : readNumber(end, offset, length, isBig))
  })
  return parts.length === 1 ? parts[0]! : parts
}

function textOf(bytes: Uint8Array): string {
  const zero = bytes.indexOf(0)
  return Buffer.from(zero < 0 ? bytes : bytes.subarray(0, zero)).toString('latin1')
}

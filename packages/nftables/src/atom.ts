import { addressBits, addressText } from './address-text.ts'
import type { DataType } from './data-type.ts'
import { NftError } from './nft-error.ts'
import type { Scalar, Value } from './value.ts'

/** A value of a type, reduced to numbers: everything from `from` to `to`, in the type's own order. */
export interface NumberAtom {
  readonly kind: 'number'
  readonly from: bigint
  readonly to: bigint
}

/** Text of a string type; `wildcard` matches by prefix (`weft*`). */
interface TextAtom {
  readonly kind: 'text'
  readonly text: string
  readonly wildcard: boolean
}

export type Atom = NumberAtom | TextAtom

/**
 * Reads a value as one of `type`.
 *
 * @param bytes Width of the field when it is not the type's own (`integer`).
 * @throws {NftError} `ERR_NFT_VALUE_INVALID`, naming the value and the type.
 */
export function atomOf(type: DataType, value: Value, bytes: number = type.bytes): Atom {
  if (type.notation === 'string') return textAtom(type, value)
  if (typeof value === 'object' && 'kind' in value) {
    const from = single(type, value.from, bytes)
    const to = single(type, value.to, bytes)
    if (from > to) throw invalid(type, value)
    return { kind: 'number', from, to }
  }
  if (typeof value === 'object' && 'prefix' in value) return network(type, value.family, value.bits, value.prefix)
  if (typeof value === 'string' && (type.notation === 'ipv4' || type.notation === 'ipv6') && value.includes('/')) {
    const [address = '', length = ''] = value.split('/', 2)
    if (!/^\d{1,3}$/.test(length)) throw invalid(type, value)
    return network(type, type.notation === 'ipv4' ? 4 : 6, single(type, address, bytes), Number(length))
  }
  const bits = single(type, value, bytes)
  return { kind: 'number', from: bits, to: bits }
}

/** Prefix length of a range that is a network; undefined for other ranges and for single addresses. */
export function prefixOf(atom: NumberAtom, bytes: number): number | undefined {
  const size = atom.to - atom.from + 1n
  if (size === 1n || (size & (size - 1n)) !== 0n || atom.from % size !== 0n) return undefined
  return bytes * 8 - (size.toString(2).length - 1)
}

function network(type: DataType, family: 4 | 6, bits: bigint, prefix: number): Atom {
  const width = type.bytes * 8
  if (type.notation !== (family === 4 ? 'ipv4' : 'ipv6') || prefix < 0 || prefix > width) throw invalid(type, `${addressText(bits, family)}/${prefix}`)
  const host = (1n << BigInt(width - prefix)) - 1n
  if ((bits & host) !== 0n) throw invalid(type, `${addressText(bits, family)}/${prefix}`)
  return { kind: 'number', from: bits, to: bits | host }
}

function single(type: DataType, value: Scalar, bytes: number): bigint {
  if (typeof value === 'object') {
    if (type.notation !== (value.family === 4 ? 'ipv4' : 'ipv6')) throw invalid(type, addressText(value.bits, value.family))
    return value.bits
  }
  if (typeof value === 'number') {
    if (type.notation === 'ipv4' || type.notation === 'ipv6' || type.notation === 'ether') throw invalid(type, value)
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * bytes)) throw invalid(type, value)
    return BigInt(value)
  }
  switch (type.notation) {
    case 'ipv4': case 'ipv6': {
      const bits = addressBits(value, type.notation === 'ipv4' ? 4 : 6)
      if (bits === undefined) throw invalid(type, value)
      return bits
    }
    case 'ether':
      if (!/^[\da-f]{2}(:[\da-f]{2}){5}$/i.test(value)) throw invalid(type, value)
      return BigInt(`0x${value.replaceAll(':', '')}`)
    case 'classid': {
      if (value === 'none') return 0n
      if (value === 'root') return 0xffffffffn
      const parts = /^([\da-f]{1,4}):([\da-f]{1,4})$/i.exec(value)
      if (!parts) throw invalid(type, value)
      return BigInt(Number.parseInt(parts[1]!, 16) * 65536 + Number.parseInt(parts[2]!, 16))
    }
    case 'symbol': case 'bitmask': {
      const number = type.symbols.get(value)
      if (number === undefined) throw invalid(type, value)
      return BigInt(number)
    }
    case 'decimal': case 'hex': case 'ifindex': case 'string':
      throw invalid(type, value)
  }
}

function textAtom(type: DataType, value: Value): TextAtom {
  if (typeof value !== 'string') throw invalid(type, value)
  const wildcard = value.endsWith('*')
  const text = wildcard ? value.slice(0, -1) : value
  // IFNAMSIZ 16 with its NUL; the kernel forbids "/", ":" and blanks in names; quotes, "*" and "\\" would not survive as nft text.
  if (!/^[!#-)+-.0-9;-[\]-~]{1,15}$/.test(text)) throw invalid(type, value)
  return { kind: 'text', text, wildcard }
}

function invalid(type: DataType, value: unknown): NftError {
  const shown = JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'bigint' ? inner.toString() : inner))
  return new NftError('ERR_NFT_VALUE_INVALID', `Cannot use value ${shown}: it is no ${type.name}`)
}

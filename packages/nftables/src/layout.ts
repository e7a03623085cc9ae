import { atomOf } from './atom.ts'
import { type DataType, type DataTypeName, dataType } from './data-type.ts'
import { NftError } from './nft-error.ts'
import { isList, type Tuple, type Value } from './value.ts'

/** Where a part of a tuple lies: parts are padded to four bytes, as registers are. */
export interface LayoutPart {
  readonly type: DataType
  readonly offset: number
  readonly bytes: number
}

/** How tuples of some types lie in registers and in elements. */
export interface Layout {
  readonly parts: readonly LayoutPart[]
  /** Length in bytes: a single part unpadded, several each padded. */
  readonly length: number
}

/** Lays out the types of a key or of data. */
export function layoutOf(types: readonly DataTypeName[]): Layout {
  let offset = 0
  const parts = types.map((name) => {
    const type = dataType(name)
    const part = { type, offset, bytes: type.bytes }
    offset += (type.bytes + 3) & ~3
    return part
  })
  return { parts, length: parts.length === 1 ? parts[0]!.bytes : offset }
}

const low64 = (1n << 64n) - 1n

/**
 * Writes a tuple. Ranges write their first value into `out` and their last into `end`.
 *
 * @param out Zeroed by this function before use; at least `layout.length` long.
 * @returns True if any part spans more than one value.
 * @throws {NftError} If a value is not of its type, or the number of parts differs.
 */
export function putTuple(layout: Layout, tuple: Tuple, out: DataView, end?: DataView): boolean {
  const { parts } = layout
  if (!isList(tuple)) {
    if (parts.length !== 1) throw wrongCount(parts.length, 1)
    zero(out, layout.length)
    if (end) zero(end, layout.length)
    return putPart(parts[0]!, tuple, out, end)
  }
  if (tuple.length !== parts.length) throw wrongCount(parts.length, tuple.length)
  zero(out, layout.length)
  if (end) zero(end, layout.length)
  let spans = false
  for (let index = 0; index < parts.length; index++) if (putPart(parts[index]!, tuple[index]!, out, end)) spans = true
  return spans
}

function zero(view: DataView, length: number): void {
  for (let at = 0; at < length; at += 4) view.setUint32(at, 0)
}

function putPart(part: LayoutPart, value: Value, out: DataView, end: DataView | undefined): boolean {
  if (putFast(part, value, out)) {
    if (end) putFast(part, value, end)
    return false
  }
  const atom = atomOf(part.type, value, part.bytes)
  if (atom.kind === 'text') {
    // A trailing "*" in a set would need a prefix interval of names; nft 1.0.6 has that for rules, and for interval sets only.
    if (atom.wildcard) throw new NftError('ERR_NFT_VALUE_INVALID', `Cannot use wildcard "${atom.text}*" in a set: match it in a rule`)
    for (const view of end ? [out, end] : [out]) for (let i = 0; i < atom.text.length; i++) view.setUint8(part.offset + i, atom.text.charCodeAt(i))
    return false
  }
  putNumber(part, atom.from, out)
  if (end) putNumber(part, atom.to, end)
  else if (atom.from !== atom.to) throw new NftError('ERR_NFT_TYPE_MISMATCH', `Cannot use a range of ${part.type.name} here: the set needs the interval flag`)
  return atom.from !== atom.to
}

// The shapes large maps are made of; everything else goes through atomOf.
function putFast({ type, offset, bytes }: LayoutPart, value: Value, out: DataView): boolean {
  if (typeof value === 'number') {
    if (type.notation === 'ipv4' || type.notation === 'ipv6' || value < 0 || !Number.isInteger(value)) return false
    const little = type.byteOrder === 'host'
    if (bytes === 4 && value <= 0xffffffff) out.setUint32(offset, value, little)
    else if (bytes === 2 && value <= 0xffff) out.setUint16(offset, value, little)
    else if (bytes === 1 && value <= 0xff) out.setUint8(offset, value)
    else return false
    return true
  }
  if (typeof value === 'string') {
    if (bytes !== 1) return false
    const number = type.symbols.get(value)
    if (number === undefined) return false
    out.setUint8(offset, number)
    return true
  }
  if (!('bits' in value) || 'prefix' in value) return false
  if (type.notation === 'ipv4' && value.family === 4) out.setUint32(offset, Number(value.bits))
  else if (type.notation === 'ipv6' && value.family === 6) {
    out.setBigUint64(offset, value.bits >> 64n)
    out.setBigUint64(offset + 8, value.bits & low64)
  } else return false
  return true
}

/** Writes a number in the part's byte order. */
export function putNumber({ type, offset, bytes }: LayoutPart, number: bigint, out: DataView): void {
  let rest = number
  for (let i = 0; i < bytes; i++) {
    out.setUint8(type.byteOrder === 'big' ? offset + bytes - 1 - i : offset + i, Number(rest & 255n))
    rest >>= 8n
  }
}

function wrongCount(wanted: number, got: number): NftError {
  return new NftError('ERR_NFT_TYPE_MISMATCH', `Cannot use a tuple of ${got}: its type has ${wanted} parts`)
}

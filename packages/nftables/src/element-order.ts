import { atomOf } from './atom.ts'
import { type DataTypeName, dataType } from './data-type.ts'
import { type Tuple, partsOf } from './value.ts'

/**
 * Sorts elements as nft 1.0.6 lists them: single values by number, concatenations by their bytes read as one little-endian number (src/expression.c,
 * concat_expr_msort_value), concatenated ranges in the order they were added.
 */
export function sortElements<E>(types: readonly DataTypeName[], isInterval: boolean, elements: { readonly of: readonly E[]; readonly key: (element: E) => Tuple }): readonly E[] {
  if (isInterval && types.length > 1) return elements.of
  return elements.of
    .map((element) => ({ element, at: sortKey(types, elements.key(element)) }))
    .sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
    .map(({ element }) => element)
}

function sortKey(types: readonly DataTypeName[], key: Tuple): bigint {
  const parts = partsOf(key)
  if (parts.length === 1) {
    const atom = atomOf(dataType(types[0] ?? 'integer'), parts[0]!)
    return atom.kind === 'number' ? atom.from : littleEndian(Buffer.from(atom.text))
  }
  const bytes: number[] = []
  for (const [index, part] of parts.entries()) {
    const type = dataType(types[index] ?? 'integer')
    const atom = atomOf(type, part)
    const own = Buffer.alloc(type.bytes)
    if (atom.kind === 'text') own.write(atom.text)
    else writeNumber(own, atom.from, type.byteOrder === 'big')
    bytes.push(...own)
  }
  return littleEndian(Buffer.from(bytes))
}

function writeNumber(out: Buffer, number: bigint, big: boolean): void {
  let rest = number
  for (let i = 0; i < out.length; i++) {
    out[big ? out.length - 1 - i : i] = Number(rest & 255n)
    rest >>= 8n
  }
}

function littleEndian(bytes: Buffer): bigint {
  return bytes.length === 0 ? 0n : BigInt(`0x${Buffer.from(bytes.toReversed()).toString('hex')}`)
}

// Read first: RFC 1035 §2.3, §3.1 and §4.1.4; RFC 4343 (case); RFC 1035 §5.1 (text escapes).
import { headerBytes } from './codes.ts'
import { DnsFormatError } from './dns-format-error.ts'

declare const brand: unique symbol

/**
 * A domain name in wire form without compression: length octets and labels, ending in the root's zero octet; at most
 * 255 bytes. Labels are bytes, so a dot or a space inside one keeps its place. Build one with {@link parseName}.
 */
export type Name = Uint8Array & { readonly [brand]: 'Name' }

export const maxNameBytes = 255
export const maxLabelBytes = 63

const pointerMask = 0xc0
const maxPointerOffset = 0x3fff

export const rootName: Name = new Uint8Array(1) as Name

/** ASCII upper case -> lower case, everything else as it is (RFC 4343 §3: only A-Z folds). */
export const foldTable: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => (byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte))

/**
 * Parses a name in zone file syntax: dots between labels, `\.` and `\DDD` inside them. A missing final dot is added.
 *
 * @throws {SyntaxError} For an empty label, a label over 63 bytes, a name over 255, a bad escape, or text outside ASCII.
 */
export function parseName(text: string): Name {
  if (text === '.' ) return rootName
  if (text === '') throw new SyntaxError('Cannot parse name "": it is empty, want labels and dots')
  const labels: number[][] = [[]]
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!
    if (character === '.') {
      if (at < text.length - 1) labels.push([])
      continue
    }
    let byte = text.charCodeAt(at)
    if (character === '\\') {
      const decimal = /^\d{3}/.exec(text.slice(at + 1, at + 4))?.[0]
      byte = decimal === undefined ? text.charCodeAt(at + 1) : Number(decimal)
      at += decimal === undefined ? 1 : 3
    }
    if (!(byte <= (character === '\\' ? 0xff : 0x7f))) throw new SyntaxError(`Cannot parse name ${JSON.stringify(text)}: character ${at} is not ASCII, want it as \\DDD`)
    labels.at(-1)!.push(byte)
  }
  return nameFromLabels(labels.map((label) => Uint8Array.from(label)))
}

/**
 * @param labels From left to right, without the root.
 * @throws {SyntaxError} For an empty or too long label, or a name over 255 bytes.
 */
export function nameFromLabels(labels: readonly Uint8Array[]): Name {
  const length = labels.reduce((sum, label) => sum + label.length + 1, 1)
  if (length > maxNameBytes) throw new SyntaxError(`Cannot make name "of ${labels.length} labels": it has ${length} bytes, want at most ${maxNameBytes}`)
  const name = new Uint8Array(length)
  let at = 0
  for (const label of labels) {
    if (label.length === 0 || label.length > maxLabelBytes) throw new SyntaxError(`Cannot make name "of ${labels.length} labels": one label has ${label.length} bytes, want 1 to ${maxLabelBytes}`)
    name[at] = label.length
    name.set(label, at + 1)
    at += label.length + 1
  }
  return name as Name
}

/** The labels of a name, from left to right; views, not copies. */
export function labelsOf(name: Name): Uint8Array[] {
  const labels: Uint8Array[] = []
  for (let at = 0; name[at] !== 0; at += name[at]! + 1) labels.push(name.subarray(at + 1, at + 1 + name[at]!))
  return labels
}

const special = new Set(Buffer.from('."\\();@$ '))

/** Prints a name as a zone file has it: absolute, with escapes. */
export function formatName(name: Name): string {
  if (name.length === 1) return '.'
  let text = ''
  for (const label of labelsOf(name)) {
    for (const byte of label) {
      if (byte < 0x20 || byte > 0x7e) text += `\\${String(byte).padStart(3, '0')}`
      else text += special.has(byte) ? `\\${String.fromCharCode(byte)}` : String.fromCharCode(byte)
    }
    text += '.'
  }
  return text
}

/** What equal names have in common: the wire form in lower case, as a string with one character per byte. Keys of maps. */
export function nameKey(name: Uint8Array): string {
  let key = ''
  for (const byte of name) key += String.fromCharCode(foldTable[byte]!)
  return key
}

/** Compares as RFC 4343 demands: without regard to ASCII case. */
export function equalName(a: Name, b: Name): boolean {
  return a.length === b.length && a.every((byte, at) => foldTable[byte] === foldTable[b[at]!])
}

/** The name `left` below `parent`: labels of both, one after the other. Throws as {@link nameFromLabels} does. */
export function nameBelow(left: readonly Uint8Array[], parent: Name): Name {
  return nameFromLabels([...left, ...labelsOf(parent)])
}

/**
 * Reads the name at `offset`, following compression. Pointers must go backwards, each further than the one before, and
 * never into the header: so reading ends after at most 128 labels whatever the bytes are.
 *
 * @returns The name and the offset after its first appearance.
 * @throws {DnsFormatError}
 */
export function readName(bytes: Uint8Array, offset: number): { readonly name: Name, readonly end: number } {
  const scratch = new Uint8Array(maxNameBytes)
  let length = 0
  let at = offset
  let start = offset
  let end = -1
  for (;;) {
    const octet = bytes[at]
    if (octet === undefined) throw new DnsFormatError('name', at, 'the message ends inside it')
    if ((octet & pointerMask) === pointerMask) {
      const low = bytes[at + 1]
      if (low === undefined) throw new DnsFormatError('name', at, 'the message ends inside a pointer')
      const target = ((octet & ~pointerMask) << 8) | low
      if (target >= start || target < headerBytes) throw new DnsFormatError('name', at, `a pointer leads to ${target}, want an earlier name`)
      if (end < 0) end = at + 2
      at = start = target
      continue
    }
    if (octet > maxLabelBytes) throw new DnsFormatError('name', at, `label type ${octet >> 6} is not known`)
    if (length + octet + 1 > maxNameBytes) throw new DnsFormatError('name', offset, `it has more than ${maxNameBytes} bytes`)
    if (at + octet + 1 > bytes.length) throw new DnsFormatError('name', at, 'the message ends inside a label')
    for (let n = 0; n <= octet; n++) scratch[length + n] = bytes[at + n]!
    length += octet + 1
    at += octet + 1
    if (octet === 0) return { name: scratch.slice(0, length) as Name, end: end < 0 ? at : end }
  }
}

/**
 * The offset after the name at `offset`; checks lengths and label types, does not follow pointers.
 *
 * @throws {DnsFormatError}
 */
export function skipName(bytes: Uint8Array, offset: number): number {
  let at = offset
  for (;;) {
    const octet = bytes[at]
    if (octet === undefined) throw new DnsFormatError('name', at, 'the message ends inside it')
    if ((octet & pointerMask) === pointerMask) {
      if (at + 2 > bytes.length) throw new DnsFormatError('name', at, 'the message ends inside a pointer')
      return at + 2
    }
    if (octet > maxLabelBytes) throw new DnsFormatError('name', at, `label type ${octet >> 6} is not known`)
    at += octet + 1
    if (octet === 0) return at
    if (at - offset > maxNameBytes) throw new DnsFormatError('name', offset, `it has more than ${maxNameBytes} bytes`)
  }
}

/** Where names of one message were written, for compression: exact bytes (case included) of a name's tail -> offset. */
export type CompressionTable = Map<string, number>

/**
 * Writes a name at `offset` and returns the offset after it.
 *
 * @param table Given where RFC 1035 names may be compressed (not in SRV targets, RFC 2782).
 */
export function writeName(name: Name, out: Buffer, options: { readonly offset: number, readonly table?: CompressionTable | undefined }): number {
  const { table } = options
  let { offset } = options
  let at = 0
  while (name[at] !== 0) {
    if (table !== undefined) {
      const tail = Buffer.from(name.buffer, name.byteOffset + at, name.length - at).toString('latin1')
      const known = table.get(tail)
      if (known !== undefined) return out.writeUInt16BE(0xc000 | known, offset)
      if (offset <= maxPointerOffset) table.set(tail, offset)
    }
    const next = at + name[at]! + 1
    out.set(name.subarray(at, next), offset)
    offset += next - at
    at = next
  }
  out[offset] = 0
  return offset + 1
}

// Read first: RFC 1035 §4.1, RFC 6891 §6.1 (EDNS), RFC 9619 (one question).
import { flags, headerBytes, opcodes, rcodes, recordFixedBytes, rrTypes } from './codes.ts'
import { dnssecOkBit } from './edns.ts'
import { foldTable, maxLabelBytes, maxNameBytes, type Name } from './name.ts'

/** A name in lower case with the places of its labels: what lookups walk along. Mutable, used again and again. */
export interface FoldedName {
  /** The wire form is `bytes[0, length)`. */
  readonly bytes: Buffer
  length: number
  /** Offsets of length octets; `labelCount` of them count. */
  readonly labels: Uint8Array
  labelCount: number
}

/** A query taken apart without allocating. Mutable: a server has one per socket and reads every query into it. */
export interface QueryView {
  bytes: Uint8Array
  id: number
  flags: number
  readonly name: FoldedName
  type: number
  class: number
  /** Offset after the question; at `headerBytes` when there is none that could be repeated. */
  questionEnd: number
  edns: boolean
  ednsVersion: number
  udpBytes: number
  dnssecOk: boolean
}

export function createFoldedName(): FoldedName {
  return { bytes: Buffer.alloc(maxNameBytes + 1), length: 0, labels: new Uint8Array(128), labelCount: 0 }
}

export function createQueryView(): QueryView {
  return { bytes: new Uint8Array(), id: 0, flags: 0, name: createFoldedName(), type: 0, class: 0, questionEnd: headerBytes, edns: false, ednsVersion: 0, udpBytes: 512, dnssecOk: false }
}

/** Puts a name into `folded`. */
export function foldName(name: Name, folded: FoldedName): FoldedName {
  folded.length = name.length
  folded.labelCount = 0
  for (let at = 0; at < name.length; at++) folded.bytes[at] = foldTable[name[at]!]!
  for (let at = 0; name[at] !== 0; at += name[at]! + 1) folded.labels[folded.labelCount++] = at
  return folded
}

/** What {@link readQuery} says of bytes nobody must answer: too short for a header, or a response. */
export const noAnswer = -1

/**
 * Reads a query into `view`. Never throws, whatever the bytes.
 *
 * @returns `NOERROR` when it can be answered, the response code to refuse it with, or {@link noAnswer}. After a refusal
 *   `view` still says what can be repeated in the response (id, flags, question if one was read, EDNS).
 */
export function readQuery(bytes: Uint8Array, view: QueryView): number {
  const length = bytes.length
  if (length < headerBytes) return noAnswer
  view.bytes = bytes
  view.id = (bytes[0]! << 8) | bytes[1]!
  view.flags = (bytes[2]! << 8) | bytes[3]!
  view.questionEnd = headerBytes
  view.edns = false
  view.type = 0
  if ((view.flags & flags.response) !== 0) return noAnswer
  if ((view.flags & flags.opcodeMask) !== opcodes.query) return rcodes.NOTIMP
  const questions = (bytes[4]! << 8) | bytes[5]!
  // CoreDNS answers SERVFAIL to no question at all (DNS-72); several are a format error (RFC 9619).
  if (questions !== 1) return questions === 0 ? rcodes.SERVFAIL : rcodes.FORMERR

  const { name } = view
  const { bytes: folded, labels } = name
  let at: number = headerBytes
  let count = 0
  for (;;) {
    const octet = bytes[at]
    // No pointers here: there is nothing before the question they could lead to.
    if (octet === undefined || octet > maxLabelBytes || at - headerBytes + octet + 1 > maxNameBytes || at + octet + 5 > length) return rcodes.FORMERR
    folded[at - headerBytes] = octet
    if (octet === 0) break
    labels[count++] = at - headerBytes
    const end = at + octet
    while (at < end) {
      at++
      folded[at - headerBytes] = foldTable[bytes[at]!]!
    }
    at++
  }
  name.length = at + 1 - headerBytes
  name.labelCount = count
  view.type = (bytes[at + 1]! << 8) | bytes[at + 2]!
  view.class = (bytes[at + 3]! << 8) | bytes[at + 4]!
  view.questionEnd = at += 5
  // Answer, authority and additional counts all zero: nothing more to read.
  if ((bytes[6]! | bytes[7]! | bytes[8]! | bytes[9]! | bytes[10]! | bytes[11]!) === 0) return rcodes.NOERROR
  return readOpt(view, at)
}

/** Walks over the records of a query looking for OPT. */
function readOpt(view: QueryView, start: number): number {
  const { bytes } = view
  const u16 = (offset: number): number => (bytes[offset]! << 8) | bytes[offset + 1]!
  const additional = u16(10)
  let at = start
  // Each record takes at least 11 bytes, so the bytes end this loop whatever the counts say.
  for (let left = u16(6) + u16(8) + additional; left > 0; left--) {
    const root = bytes[at] === 0
    const fixed = skipRecordName(bytes, at)
    if (fixed < 0 || fixed + recordFixedBytes > bytes.length) return rcodes.FORMERR
    const dataLength = u16(fixed + 8)
    const end = fixed + recordFixedBytes + dataLength
    if (end > bytes.length) return rcodes.FORMERR
    if (u16(fixed) === rrTypes.OPT) {
      if (!root || view.edns || left > additional || !soundOptions(bytes, fixed + recordFixedBytes, end)) return rcodes.FORMERR
      view.edns = true
      view.udpBytes = u16(fixed + 2)
      view.ednsVersion = bytes[fixed + 5]!
      view.dnssecOk = (u16(fixed + 6) & dnssecOkBit) !== 0
    }
    at = end
  }
  return view.edns && view.ednsVersion !== 0 ? rcodes.BADVERS : rcodes.NOERROR
}

function soundOptions(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start
  while (at + 4 <= end) at += 4 + ((bytes[at + 2]! << 8) | bytes[at + 3]!)
  return at === end
}

/** Like `skipName`, but says -1 where that throws. */
function skipRecordName(bytes: Uint8Array, offset: number): number {
  for (let at = offset; at < bytes.length && at - offset <= maxNameBytes;) {
    const octet = bytes[at]!
    if (octet >= 0xc0) return at + 2
    if (octet > maxLabelBytes) return -1
    at += octet + 1
    if (octet === 0) return at
  }
  return -1
}

// Read first: RFC 1035 §4.1.1, RFC 6891 §7 (EDNS in responses), RFC 2181 §9 (TC).
import { flags, headerBytes, rrTypes } from '../wire/codes.ts'
import { bareOptBytes, dnssecOkBit } from '../wire/edns.ts'
import type { QueryView } from '../wire/query-view.ts'
import type { Answer } from '../zone/answer.ts'

export interface ReplyOptions {
  /** Largest response, bytes. */
  readonly limit: number
  /** The UDP payload we take, said in our own OPT record. */
  readonly ownUdpBytes: number
  /** Whether names of other zones are asked for on behalf of clients. */
  readonly recursion: boolean
  /** Any number: which of several addresses comes first. */
  readonly turn: number
  /** How long the answer has been kept, seconds: TTLs are less by that. */
  readonly ageSeconds: number
  /** For answers past their life: the TTL they are given (RFC 8767 §4). */
  readonly staleTtlSeconds: number
}

/**
 * Writes the response to a query that was read: header, the question as the client wrote it, the answer's bytes, OPT if
 * the client sent one. What does not fit goes: additional records first, then everything after the last whole record,
 * with TC set.
 *
 * @param out At least `limit` bytes.
 * @returns The response's length.
 */
export function writeReply(query: QueryView, answer: Answer, out: Buffer, options: ReplyOptions): number {
  const start = query.questionEnd
  const optBytes = query.edns ? bareOptBytes : 0
  const room = options.limit - start - optBytes
  let { additionals, answers, authorities } = answer
  let size = answer.bytes.length
  let truncated = 0
  if (size > room) {
    let kept = answer.ends.length
    while (kept > 0 && answer.ends[kept - 1]! > room) kept--
    size = kept === 0 ? 0 : answer.ends[kept - 1]!
    if (kept < answers + authorities) truncated = flags.truncated
    else additionals = kept - answers - authorities
    if (truncated !== 0) {
      additionals = 0
      authorities = Math.max(0, kept - answers)
      answers = Math.min(kept, answers)
    }
  }
  writeHeader(query, out, (answer.authoritative ? flags.authoritative : 0) | truncated | (options.recursion ? flags.recursionAvailable : 0) | (answer.rcode & flags.rcodeMask))
  out[6] = answers >> 8
  out[7] = answers
  out[8] = authorities >> 8
  out[9] = authorities
  const additionalCount = additionals + (query.edns ? 1 : 0)
  out[10] = additionalCount >> 8
  out[11] = additionalCount
  copyRecords(answer, out, { start, size, turn: options.turn })
  if (answer.ttlOffsets.length > 0) ageTtls(answer, out, { start, size, options })
  return query.edns ? writeOpt(query, out, { at: start + size, rcode: answer.rcode, udpBytes: options.ownUdpBytes }) : start + size
}

/** Writes a response without records: refusals of all kinds. Returns its length. */
export function writeRefusal(query: QueryView, rcode: number, out: Buffer, options: { readonly ownUdpBytes: number, readonly recursion: boolean, readonly truncated?: boolean }): number {
  writeHeader(query, out, (rcode & flags.rcodeMask) | (options.recursion ? flags.recursionAvailable : 0) | (options.truncated === true ? flags.truncated : 0))
  out.fill(0, 6, headerBytes)
  if (!query.edns) return query.questionEnd
  out[11] = 1
  return writeOpt(query, out, { at: query.questionEnd, rcode, udpBytes: options.ownUdpBytes })
}

/** Header up to the question count, and the question. */
function writeHeader(query: QueryView, out: Buffer, responseFlags: number): void {
  const { bytes, questionEnd } = query
  const word = flags.response | (query.flags & (flags.opcodeMask | flags.recursionDesired | flags.checkingDisabled)) | responseFlags
  out[0] = query.id >> 8
  out[1] = query.id
  out[2] = word >> 8
  out[3] = word
  out[4] = 0
  out[5] = questionEnd > headerBytes ? 1 : 0
  for (let at = headerBytes; at < questionEnd; at++) out[at] = bytes[at]!
}

function copyRecords({ bytes, rotating, rotatingBytes, rotatingFrom }: Answer, out: Buffer, { size, start, turn }: { readonly start: number, readonly size: number, readonly turn: number }): void {
  const shift = rotating > 1 ? (turn % rotating) * rotatingBytes : 0
  if (shift === 0) return copy(bytes, out, { from: 0, to: size, at: start })
  // The records from `shift` on come first, then those before it; cut to `size`, which ends between records.
  const end = rotatingFrom + rotating * rotatingBytes
  const first = Math.min(end - rotatingFrom - shift, Math.max(0, size - rotatingFrom))
  copy(bytes, out, { from: 0, to: Math.min(rotatingFrom, size), at: start })
  copy(bytes, out, { from: rotatingFrom + shift, to: rotatingFrom + shift + first, at: start + rotatingFrom })
  copy(bytes, out, { from: rotatingFrom, to: Math.min(rotatingFrom + shift, size - first), at: start + rotatingFrom + first })
  copy(bytes, out, { from: end, to: size, at: start + end })
}

function copy(bytes: Uint8Array, out: Buffer, { at, from, to }: { readonly from: number, readonly to: number, readonly at: number }): void {
  // A view costs more than copying some bytes by hand.
  if (to - from > 64) out.set(from === 0 && to === bytes.length ? bytes : bytes.subarray(from, to), at)
  else for (let offset = from; offset < to; offset++) out[at + offset - from] = bytes[offset]!
}

function ageTtls({ ttlOffsets }: Answer, out: Buffer, { options, size, start }: { readonly start: number, readonly size: number, readonly options: ReplyOptions }): void {
  for (const offset of ttlOffsets) {
    if (offset + 4 > size) break
    const ttl = options.staleTtlSeconds > 0 ? options.staleTtlSeconds : Math.max(0, out.readUInt32BE(start + offset) - options.ageSeconds)
    out.writeUInt32BE(ttl, start + offset)
  }
}

function writeOpt(query: QueryView, out: Buffer, { at, rcode, udpBytes }: { readonly at: number, readonly rcode: number, readonly udpBytes: number }): number {
  out[at] = 0
  out[at + 1] = 0
  out[at + 2] = rrTypes.OPT
  out[at + 3] = udpBytes >> 8
  out[at + 4] = udpBytes
  out[at + 5] = rcode >> 4
  out[at + 6] = 0
  out[at + 7] = query.dnssecOk ? dnssecOkBit >> 8 : 0
  out[at + 8] = 0
  out[at + 9] = 0
  out[at + 10] = 0
  return at + bareOptBytes
}

/** How large a response to this query may be: 512 bytes without EDNS (DNS-75), never more than `maxUdpBytes`. */
export function udpLimit(query: QueryView, maxUdpBytes: number): number {
  return query.edns ? Math.min(Math.max(512, query.udpBytes), maxUdpBytes) : 512
}

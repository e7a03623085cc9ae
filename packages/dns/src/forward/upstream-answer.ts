// Read first: RFC 2308 §5 (negative caching), RFC 5452 §4 (what must match).
import { DnsFormatError } from '../wire/dns-format-error.ts'
import { flags, headerBytes, rcodes, rrTypes } from '../wire/codes.ts'
import { readMessage } from '../wire/message.ts'
import { viewMessage } from '../wire/message-view.ts'
import { type Answer, emptyAnswer, noRotation } from '../zone/answer.ts'

/** What an upstream said, in the shape in which answers are given. */
export interface UpstreamAnswer {
  readonly answer: Answer
  /** How long it may be kept, seconds; 0: not at all. */
  readonly ttlSeconds: number
  readonly negative: boolean
}

/** True for a response to exactly this query: id, opcode, question (byte for byte, so case counts too). */
export function matches(response: Uint8Array, query: Uint8Array, questionEnd: number): boolean {
  if (response.length < questionEnd || response[0] !== query[0] || response[1] !== query[1]) return false
  if ((response[2]! & 0xf8) !== 0x80 || response[4] !== 0 || response[5] !== 1) return false
  for (let at = headerBytes; at < questionEnd; at++) {
    if (response[at] !== query[at]) return false
  }
  return true
}

export function isTruncated(response: Uint8Array): boolean {
  return ((response[2]! << 8) & flags.truncated) !== 0
}

/**
 * Takes a response apart and keeps what clients may get: no OPT, no TTL above the limit.
 *
 * @param questionEnd Where its question ends, as the query's does.
 * @throws {DnsFormatError} For bytes that are not a whole, readable message.
 */
export function readUpstreamAnswer(response: Uint8Array, questionEnd: number, limits: { readonly maxTtlSeconds: number, readonly maxNegativeTtlSeconds: number }): UpstreamAnswer {
  const view = viewMessage(response)
  const message = readMessage(view)
  if (view.questions.length !== 1) throw new DnsFormatError('response', headerBytes, `it has ${view.questions.length} questions, want 1`)
  // Records from OPT on are hints at most; what stands before keeps its place, so pointers stay right.
  const opt = view.records.findIndex((record) => record.type === rrTypes.OPT)
  const records = opt < 0 ? view.records : view.records.slice(0, opt)
  const end = records.at(-1)?.end ?? questionEnd
  const bytes = Buffer.from(response.subarray(questionEnd, end))
  const count = (section: string): number => records.filter((record) => record.section === section).length
  const ttlOffsets = records.map((record) => record.ttlOffset - questionEnd)

  const type = view.questions[0]!.type
  const negative = message.rcode === rcodes.NXDOMAIN || !view.records.some((record) => record.section === 'answer' && (record.type === type || type === rrTypes.ANY))
  const limit = negative ? limits.maxNegativeTtlSeconds : limits.maxTtlSeconds
  for (const offset of ttlOffsets) {
    // RFC 2181 §8: the top bit means zero.
    const ttl = bytes.readUInt32BE(offset)
    bytes.writeUInt32BE(ttl > 0x7fff_ffff ? 0 : Math.min(ttl, limit), offset)
  }
  const ttls = records.map((record) => bytes.readUInt32BE(record.ttlOffset - questionEnd))
  const soa = message.authorities.find((record) => record.data.type === 'SOA')
  const minimum = soa?.data.type === 'SOA' ? Math.min(soa.data.minimumSeconds, limit) : 0
  const keepable = message.rcode === rcodes.NOERROR || message.rcode === rcodes.NXDOMAIN
  const answer: Answer = {
    ...emptyAnswer,
    authoritative: false,
    rcode: message.rcode,
    answers: count('answer'),
    authorities: count('authority'),
    additionals: count('additional'),
    bytes,
    ends: records.map((record) => record.end - questionEnd),
    ...rotation(response, records, questionEnd),
    ttlOffsets,
  }
  return { answer, negative, ttlSeconds: keepable && records.length > 0 ? Math.min(limit, ...ttls, negative ? minimum : limit) : 0 }
}

const addressBytes: Readonly<Record<number, number>> = { [rrTypes.A]: 4, [rrTypes.AAAA]: 16 }

/** Addresses at the end of the message, all of one owner given as a pointer, may turn: nothing points into them. */
function rotation(response: Uint8Array, records: ReturnType<typeof viewMessage>['records'], questionEnd: number): Pick<Answer, 'rotatingFrom' | 'rotating' | 'rotatingBytes'> {
  const last = records.at(-1)
  if (last === undefined || last.section !== 'answer' || last.dataLength !== addressBytes[last.type]) return noRotation
  let first = records.length - 1
  const alike = (at: number): boolean => {
    const record = records[at]!
    return record.type === last.type && record.dataLength === last.dataLength && record.dataOffset - record.nameOffset === 12
      && response[record.nameOffset] === response[last.nameOffset] && response[record.nameOffset + 1] === response[last.nameOffset + 1]
  }
  if (!alike(first)) return noRotation
  while (first > 0 && alike(first - 1)) first--
  return { rotatingFrom: records[first]!.nameOffset - questionEnd, rotating: records.length - first, rotatingBytes: 12 + last.dataLength }
}

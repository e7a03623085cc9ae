// Read first: RFC 1035 §4, RFC 6891 (EDNS), RFC 9619 (one question).
import { flags, headerBytes, rrTypes } from './codes.ts'
import { DnsFormatError } from './dns-format-error.ts'
import { type Edns, readEdns, writeEdns } from './edns.ts'
import { type MessageView, type Section, viewMessage } from './message-view.ts'
import { type CompressionTable, type Name, readName, writeName } from './name.ts'
import { readRecordData, type ResourceRecord, typeCodeOf, writeRecordData } from './record.ts'

export interface Question {
  readonly name: Name
  readonly type: number
  readonly class: number
}

export interface Message {
  readonly id: number
  readonly response: boolean
  readonly opcode: number
  readonly authoritative: boolean
  readonly truncated: boolean
  readonly recursionDesired: boolean
  readonly recursionAvailable: boolean
  readonly authenticData: boolean
  readonly checkingDisabled: boolean
  /** 12 bits; those above the fourth travel in EDNS and are lost without it. */
  readonly rcode: number
  readonly questions: readonly Question[]
  readonly answers: readonly ResourceRecord[]
  readonly authorities: readonly ResourceRecord[]
  /** Without the OPT record, which is `edns`. */
  readonly additionals: readonly ResourceRecord[]
  readonly edns: Edns | undefined
}

/** A plain query: what is not said is zero, false or empty. */
export const emptyMessage: Message = {
  id: 0,
  response: false,
  opcode: 0,
  authoritative: false,
  truncated: false,
  recursionDesired: false,
  recursionAvailable: false,
  authenticData: false,
  checkingDisabled: false,
  rcode: 0,
  questions: [],
  answers: [],
  authorities: [],
  additionals: [],
  edns: undefined,
}

/**
 * Reads a whole message.
 *
 * @throws {DnsFormatError} For anything that is not one.
 */
export function readMessage(bytes: Uint8Array | MessageView): Message {
  const view = bytes instanceof Uint8Array ? viewMessage(bytes) : bytes
  const opts = view.records.filter((record) => record.type === rrTypes.OPT)
  if (opts.length > 1) throw new DnsFormatError('message', opts[1]!.nameOffset, 'it has two OPT records, want at most one')
  const opt = opts[0]
  if (opt !== undefined && opt.section !== 'additional') throw new DnsFormatError('message', opt.nameOffset, `an OPT record is in section ${opt.section}, want additional`)
  const section = (name: Section): ResourceRecord[] => view.records
    .filter((record) => record.section === name && record.type !== rrTypes.OPT)
    .map((record) => ({
      name: readName(view.bytes, record.nameOffset).name,
      class: record.class,
      ttlSeconds: record.ttlSeconds,
      data: readRecordData(view.bytes, record),
    }))
  const bit = (mask: number): boolean => (view.flags & mask) !== 0
  return {
    id: view.id,
    response: bit(flags.response),
    opcode: (view.flags & flags.opcodeMask) >> flags.opcodeShift,
    authoritative: bit(flags.authoritative),
    truncated: bit(flags.truncated),
    recursionDesired: bit(flags.recursionDesired),
    recursionAvailable: bit(flags.recursionAvailable),
    authenticData: bit(flags.authenticData),
    checkingDisabled: bit(flags.checkingDisabled),
    rcode: (view.flags & flags.rcodeMask) | (opt === undefined ? 0 : (opt.ttlSeconds >>> 24) << 4),
    questions: view.questions.map((question) => ({ name: readName(view.bytes, question.nameOffset).name, type: question.type, class: question.class })),
    answers: section('answer'),
    authorities: section('authority'),
    additionals: section('additional'),
    edns: opt === undefined ? undefined : readEdns(view.bytes, opt),
  }
}

export const maxMessageBytes = 65_535

let scratch: Buffer | undefined

/**
 * Writes a message with compressed names, whatever its size up to 65535 bytes.
 *
 * @throws {RangeError} If it does not fit.
 */
export function writeMessage(message: Message): Buffer {
  const out = scratch ??= Buffer.allocUnsafe(maxMessageBytes)
  const table: CompressionTable = new Map()
  const { additionals, answers, authorities, edns, questions } = message
  out.writeUInt16BE(message.id, 0)
  out.writeUInt16BE(headerFlags(message), 2)
  out.writeUInt16BE(questions.length, 4)
  out.writeUInt16BE(answers.length, 6)
  out.writeUInt16BE(authorities.length, 8)
  out.writeUInt16BE(additionals.length + (edns === undefined ? 0 : 1), 10)
  let at = headerBytes
  for (const question of questions) {
    at = writeName(question.name, out, { offset: at, table })
    at = out.writeUInt16BE(question.type, at)
    at = out.writeUInt16BE(question.class, at)
  }
  for (const record of [...answers, ...authorities, ...additionals]) at = writeRecord(record, out, { offset: at, table })
  if (edns !== undefined) at = writeEdns(edns, out, { offset: at, rcode: message.rcode })
  return Buffer.from(out.subarray(0, at))
}

/** Writes one record at `offset` and returns the offset after it. */
export function writeRecord(record: ResourceRecord, out: Buffer, options: { readonly offset: number, readonly table?: CompressionTable | undefined }): number {
  return writeRecordBody(record, out, { offset: writeName(record.name, out, options), table: options.table })
}

/** Writes what follows a record's name at `offset` and returns the offset after it. */
export function writeRecordBody(record: ResourceRecord, out: Buffer, options: { readonly offset: number, readonly table?: CompressionTable | undefined }): number {
  const fixed = options.offset
  out.writeUInt16BE(typeCodeOf(record.data), fixed)
  out.writeUInt16BE(record.class, fixed + 2)
  out.writeUInt32BE(record.ttlSeconds, fixed + 4)
  const end = writeRecordData(record.data, out, { offset: fixed + 10, table: options.table })
  out.writeUInt16BE(end - fixed - 10, fixed + 8)
  return end
}

function headerFlags(message: Message): number {
  return (message.response ? flags.response : 0)
    | (message.opcode << flags.opcodeShift)
    | (message.authoritative ? flags.authoritative : 0)
    | (message.truncated ? flags.truncated : 0)
    | (message.recursionDesired ? flags.recursionDesired : 0)
    | (message.recursionAvailable ? flags.recursionAvailable : 0)
    | (message.authenticData ? flags.authenticData : 0)
    | (message.checkingDisabled ? flags.checkingDisabled : 0)
    | (message.rcode & flags.rcodeMask)
}

import { classes, headerBytes, rcodes, rrTypes } from '../wire/codes.ts'
import { bareOptBytes } from '../wire/edns.ts'
import { maxMessageBytes, writeRecord, writeRecordBody } from '../wire/message.ts'
import { type CompressionTable, type Name, writeName } from '../wire/name.ts'
import { type ResourceRecord, typeCodeOf } from '../wire/record.ts'

/**
 * Everything of a response after its question, ready to copy. The question's name always starts at byte 12 and has a
 * length that belongs to the name, so all compression pointers stay right; and because owners are pointers to the
 * question, the client sees its own spelling again.
 */
export interface Answer {
  readonly kind: 'answer'
  readonly rcode: number
  /** From this server's own zone, not from an upstream. */
  readonly authoritative: boolean
  readonly answers: number
  readonly authorities: number
  readonly additionals: number
  readonly bytes: Uint8Array
  /** Offsets after each record: where a response that is too long may be cut. */
  readonly ends: readonly number[]
  /** Where `rotating` records of `rotatingBytes` each start whose order does not matter; fewer than 2 stay as they are. */
  readonly rotatingFrom: number
  readonly rotating: number
  readonly rotatingBytes: number
  /** Where TTLs stand that count down while the answer is kept; none in answers from the zone. */
  readonly ttlOffsets: readonly number[]
}

/** Records in the order they are in. */
export const noRotation: Pick<Answer, 'rotatingFrom' | 'rotating' | 'rotatingBytes'> = { rotatingFrom: 0, rotating: 0, rotatingBytes: 0 }

/** An answer without records. */
export const emptyAnswer: Answer = {
  kind: 'answer',
  rcode: 0,
  authoritative: true,
  answers: 0,
  authorities: 0,
  additionals: 0,
  bytes: new Uint8Array(),
  ends: [],
  rotatingFrom: 0,
  rotating: 0,
  rotatingBytes: 0,
  ttlOffsets: [],
}

/** A name that is another one: resolved while answering, because the other one changes on its own. */
export interface Alias {
  readonly kind: 'alias'
  readonly owner: Name
  readonly target: Name
}

const addressRecordBytes: Readonly<Record<number, number>> = { [rrTypes.A]: 16, [rrTypes.AAAA]: 28 }

let scratch: Buffer | undefined

export interface AnswerSections {
  readonly rcode?: number | undefined
  readonly answers: readonly ResourceRecord[]
  readonly authorities?: readonly ResourceRecord[] | undefined
  readonly additionals?: readonly ResourceRecord[] | undefined
}

/**
 * Writes an answer's bytes once and for all.
 *
 * @param owner The name asked for, in lower case.
 */
export function encodeAnswer(owner: Name, sections: AnswerSections): Answer {
  const { additionals = [], answers, authorities = [] } = sections
  const out = scratch ??= Buffer.allocUnsafe(2 * maxMessageBytes)
  const table: CompressionTable = new Map()
  const start = writeName(owner, out, { offset: headerBytes, table }) + 4
  const ends: number[] = []
  let at = start
  for (const record of [...answers, ...authorities, ...additionals]) {
    const end = record.name === owner ? writeOwned(record, out, { offset: at, table }) : writeRecord(record, out, { offset: at, table })
    // What no message can hold is left out at whole records.
    if (end > maxMessageBytes - bareOptBytes) break
    ends.push(end - start)
    at = end
  }
  const kept = { answers: Math.min(ends.length, answers.length), authorities: Math.min(Math.max(0, ends.length - answers.length), authorities.length) }
  return {
    ...emptyAnswer,
    rcode: sections.rcode ?? rcodes.NOERROR,
    ...kept,
    additionals: ends.length - kept.answers - kept.authorities,
    bytes: Uint8Array.from(out.subarray(start, at)),
    ends,
    ...rotation(answers.slice(0, kept.answers)),
  }
}

/** Like `writeRecord` for the name asked for, which is at the start of the question: no need to look for it. */
function writeOwned(record: ResourceRecord, out: Buffer, { offset, table }: { readonly offset: number, readonly table: CompressionTable }): number {
  out.writeUInt16BE(0xc000 | headerBytes, offset)
  return writeRecordBody(record, out, { offset: offset + 2, table })
}

/** The address records at the end of the answers may turn if they are all of one name and type, which has a pointer. */
function rotation(answers: readonly ResourceRecord[]): Pick<Answer, 'rotatingFrom' | 'rotating' | 'rotatingBytes'> {
  const [first] = answers
  const size = first === undefined ? undefined : addressRecordBytes[typeCodeOf(first.data)]
  if (size === undefined || answers.some((record) => record.data.type !== first!.data.type || record.name !== first!.name)) return noRotation
  return { rotatingFrom: 0, rotating: answers.length, rotatingBytes: size }
}

/** A record of class IN. */
export function inRecord(name: Name, ttlSeconds: number, data: ResourceRecord['data']): ResourceRecord {
  return { name, class: classes.IN, ttlSeconds, data }
}

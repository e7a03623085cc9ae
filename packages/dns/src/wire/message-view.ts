// Read first: RFC 1035 §4.1.
import { headerBytes, recordFixedBytes } from './codes.ts'
import { DnsFormatError } from './dns-format-error.ts'
import { skipName } from './name.ts'

export interface QuestionView {
  readonly nameOffset: number
  readonly type: number
  readonly class: number
  readonly end: number
}

export type Section = 'answer' | 'authority' | 'additional'

export interface RecordView {
  readonly section: Section
  readonly nameOffset: number
  readonly type: number
  readonly class: number
  readonly ttlOffset: number
  readonly ttlSeconds: number
  readonly dataOffset: number
  readonly dataLength: number
  /** The offset after this record. */
  readonly end: number
}

/** Where everything in a message is. Lengths are checked, meaning is not: that is for `readMessage`. */
export interface MessageView {
  readonly bytes: Uint8Array
  readonly id: number
  readonly flags: number
  readonly questions: readonly QuestionView[]
  /** Of all sections, in the order of the message. */
  readonly records: readonly RecordView[]
  /** The offset after the last record; what follows is not part of the message. */
  readonly end: number
}

/**
 * Finds the parts of a message.
 *
 * @throws {DnsFormatError} If the message is shorter than it says.
 */
export function viewMessage(bytes: Uint8Array): MessageView {
  if (bytes.length < headerBytes) throw new DnsFormatError('message', 0, `it has ${bytes.length} bytes, want at least ${headerBytes}`)
  const u16 = (offset: number): number => (bytes[offset]! << 8) | bytes[offset + 1]!
  const questions: QuestionView[] = []
  const records: RecordView[] = []
  let at = headerBytes
  for (let left = u16(4); left > 0; left--) {
    const nameOffset = at
    const fixed = skipName(bytes, at)
    at = fixed + 4
    if (at > bytes.length) throw new DnsFormatError('question', nameOffset, 'the message ends inside it')
    questions.push({ nameOffset, type: u16(fixed), class: u16(fixed + 2), end: at })
  }
  for (const [section, countOffset] of [['answer', 6], ['authority', 8], ['additional', 10]] as const) {
    for (let left = u16(countOffset); left > 0; left--) {
      const nameOffset = at
      const fixed = skipName(bytes, at)
      const dataOffset = fixed + recordFixedBytes
      if (dataOffset > bytes.length) throw new DnsFormatError('record', nameOffset, 'the message ends inside it')
      const dataLength = u16(fixed + 8)
      at = dataOffset + dataLength
      if (at > bytes.length) throw new DnsFormatError('record', nameOffset, `its data has ${dataLength} bytes, the message ${bytes.length - dataOffset} more`)
      records.push({
        section,
        nameOffset,
        type: u16(fixed),
        class: u16(fixed + 2),
        ttlOffset: fixed + 4,
        ttlSeconds: ((u16(fixed + 4) << 16) | u16(fixed + 6)) >>> 0,
        dataOffset,
        dataLength,
        end: at,
      })
    }
  }
  return { bytes, id: u16(0), flags: u16(2), questions, records, end: at }
}

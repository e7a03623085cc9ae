// Read first: RFC 2308 §2 and §3.
import { classes, headerBytes, rcodes, rrTypes } from '../wire/codes.ts'
import { typeCodeOf, writeRecordData, type SoaData } from '../wire/record.ts'
import { type Answer, emptyAnswer } from './answer.ts'

/** "There is no such name" or "nothing of that type here", with the zone's SOA record. */
export class NegativeAnswers {
  readonly #nxdomain: Answer
  readonly #nodata: Answer
  readonly #bytes: Buffer

  constructor(soa: SoaData) {
    // The owner is a pointer to the zone's name inside the question, set for each response.
    const out = Buffer.alloc(1024)
    out.writeUInt16BE(typeCodeOf(soa), 2)
    out.writeUInt16BE(classes.IN, 4)
    // RFC 2308 §5: the record itself must not outlive what it says about negative answers.
    out.writeUInt32BE(Math.min(soa.minimumSeconds, 300), 6)
    const end = writeRecordData(soa, out, { offset: 12 })
    out.writeUInt16BE(end - 12, 10)
    this.#bytes = out.subarray(0, end)
    const shape: Answer = { ...emptyAnswer, authorities: 1, bytes: this.#bytes, ends: [end] }
    this.#nxdomain = { ...shape, rcode: rcodes.NXDOMAIN }
    this.#nodata = { ...shape, rcode: rcodes.NOERROR }
  }

  /**
   * The same value each time, good until the next call.
   *
   * @param zoneOffset Where the zone's name starts inside the name asked for.
   */
  nxdomain(zoneOffset: number): Answer {
    this.#point(zoneOffset)
    return this.#nxdomain
  }

  /** Like {@link NegativeAnswers.nxdomain}, for names that exist. */
  nodata(zoneOffset: number): Answer {
    this.#point(zoneOffset)
    return this.#nodata
  }

  #point(zoneOffset: number): void {
    this.#bytes.writeUInt16BE(0xc000 | (headerBytes + zoneOffset), 0)
  }
}

/** What a query for all types gets: one small record instead of an amplifier (RFC 8482 §4.2). */
export const anyAnswer: Answer = (() => {
  const text = 'RFC8482'
  const bytes = Buffer.alloc(12 + 1 + text.length + 1)
  bytes.writeUInt16BE(0xc000 | headerBytes, 0)
  bytes.writeUInt16BE(rrTypes.HINFO, 2)
  bytes.writeUInt16BE(classes.IN, 4)
  bytes.writeUInt32BE(3600, 6)
  bytes.writeUInt16BE(text.length + 2, 10)
  bytes[12] = text.length
  bytes.write(text, 13, 'latin1')
  return { ...emptyAnswer, answers: 1, bytes, ends: [bytes.length] }
})()

import { randomFillSync } from 'node:crypto'
import { headerBytes, rrTypes } from '../wire/codes.ts'
import { bareOptBytes, dnssecOkBit } from '../wire/edns.ts'

/** What is asked for, apart from its spelling. */
export interface UpstreamQuestion {
  /** Wire form, lower case. */
  readonly name: Uint8Array
  readonly type: number
  readonly dnssecOk: boolean
  readonly checkingDisabled: boolean
}

const pool = new Uint8Array(4096)
let left = 0

/** Bytes from the system's generator, drawn in bulk: ids must not be guessable (CVE-2019-19794). */
export function randomBytes(count: number): Uint8Array {
  if (left < count) {
    randomFillSync(pool)
    left = pool.length
  }
  left -= count
  return pool.slice(left, left + count)
}

/**
 * A query with a random id and EDNS, ready to send.
 *
 * @param options.mixCase Spells letters in random case, which a forger has to guess too.
 * @param options.udpBytes The largest response we take over UDP.
 */
export function writeUpstreamQuery(question: UpstreamQuestion, options: { readonly mixCase: boolean, readonly udpBytes: number }): { readonly bytes: Buffer, readonly questionEnd: number } {
  const { name } = question
  const questionEnd = headerBytes + name.length + 4
  const bytes = Buffer.alloc(questionEnd + bareOptBytes)
  bytes.set(randomBytes(2), 0)
  bytes[2] = 0x01
  bytes[3] = question.checkingDisabled ? 0x10 : 0
  bytes[5] = 1
  bytes[11] = 1
  bytes.set(name, headerBytes)
  if (options.mixCase) mixCase(bytes, name.length)
  bytes.writeUInt16BE(question.type, questionEnd - 4)
  bytes.writeUInt16BE(1, questionEnd - 2)
  bytes.writeUInt16BE(rrTypes.OPT, questionEnd + 1)
  bytes.writeUInt16BE(options.udpBytes, questionEnd + 3)
  bytes.writeUInt16BE(question.dnssecOk ? dnssecOkBit : 0, questionEnd + 7)
  return { bytes, questionEnd }
}

function mixCase(bytes: Buffer, length: number): void {
  const bits = randomBytes(Math.ceil(length / 8))
  for (let at = 0; at < length; at++) {
    const byte = bytes[headerBytes + at]!
    // Length octets are below the letters.
    if (byte >= 0x61 && byte <= 0x7a && ((bits[at >> 3]! >> (at & 7)) & 1) === 1) bytes[headerBytes + at] = byte - 0x20
  }
}

// Read first: RFC 6891 §6.
import { DnsFormatError } from './dns-format-error.ts'
import type { RecordView } from './message-view.ts'

/** What the OPT pseudo-record says, except the upper bits of the response code: they are part of `Message.rcode`. */
export interface Edns {
  /** Largest UDP payload the sender can take, bytes. */
  readonly udpBytes: number
  readonly version: number
  readonly dnssecOk: boolean
  readonly options: readonly EdnsOption[]
}

export interface EdnsOption {
  readonly code: number
  readonly data: Uint8Array
}

export const dnssecOkBit = 0x8000
/** An OPT record without options: root name, type, class, TTL, length 0. */
export const bareOptBytes = 11

/** @throws {DnsFormatError} If its name is not the root or an option goes on after its end. */
export function readEdns(bytes: Uint8Array, view: RecordView): Edns {
  if (bytes[view.nameOffset] !== 0) throw new DnsFormatError('OPT record', view.nameOffset, 'its name is not the root')
  const options: EdnsOption[] = []
  const end = view.dataOffset + view.dataLength
  for (let at = view.dataOffset; at < end;) {
    if (at + 4 > end) throw new DnsFormatError('OPT record', at, 'it ends inside an option')
    const length = (bytes[at + 2]! << 8) | bytes[at + 3]!
    if (at + 4 + length > end) throw new DnsFormatError('OPT record', at, 'an option goes on after its end')
    options.push({ code: (bytes[at]! << 8) | bytes[at + 1]!, data: Uint8Array.from(bytes.subarray(at + 4, at + 4 + length)) })
    at += 4 + length
  }
  return { udpBytes: view.class, version: (view.ttlSeconds >>> 16) & 0xff, dnssecOk: (view.ttlSeconds & dnssecOkBit) !== 0, options }
}

/** Writes an OPT record at `offset` and returns the offset after it. */
export function writeEdns(edns: Edns, out: Buffer, options: { readonly offset: number, readonly rcode: number }): number {
  let at = options.offset
  out[at] = 0
  out.writeUInt16BE(41, at + 1)
  out.writeUInt16BE(edns.udpBytes, at + 3)
  out[at + 5] = options.rcode >> 4
  out[at + 6] = edns.version
  out.writeUInt16BE(edns.dnssecOk ? dnssecOkBit : 0, at + 7)
  const lengthAt = at + 9
  at += bareOptBytes
  for (const option of edns.options) {
    out.writeUInt16BE(option.code, at)
    out.writeUInt16BE(option.data.length, at + 2)
    out.set(option.data, at + 4)
    at += 4 + option.data.length
  }
  out.writeUInt16BE(at - lengthAt - 2, lengthAt)
  return at
}

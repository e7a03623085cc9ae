// Read first: RFC 1035 §3.3, RFC 3596 (AAAA), RFC 2782 (SRV), RFC 3597 (unknown types).
import { type Ipv4, type Ipv6, ipFromBytes, ipToBytes } from '@weft/ip'
import { rrTypes } from './codes.ts'
import { DnsFormatError } from './dns-format-error.ts'
import { type CompressionTable, type Name, readName, writeName } from './name.ts'
import type { RecordView } from './message-view.ts'

export interface SoaData {
  readonly type: 'SOA'
  readonly mname: Name
  readonly rname: Name
  readonly serial: number
  readonly refreshSeconds: number
  readonly retrySeconds: number
  readonly expireSeconds: number
  readonly minimumSeconds: number
}

/** What a record says about its owner. */
export type RecordData =
  | { readonly type: 'A', readonly address: Ipv4 }
  | { readonly type: 'AAAA', readonly address: Ipv6 }
  | { readonly type: 'CNAME' | 'NS' | 'PTR', readonly target: Name }
  | { readonly type: 'SRV', readonly priority: number, readonly weight: number, readonly port: number, readonly target: Name }
  | SoaData
  /** Each string has at most 255 bytes. */
  | { readonly type: 'TXT', readonly strings: readonly Uint8Array[] }
  /** Bytes as they came; names inside them may be compressed, so they are only good for looking at. */
  | { readonly type: 'other', readonly typeCode: number, readonly bytes: Uint8Array }

export interface ResourceRecord {
  readonly name: Name
  readonly class: number
  readonly ttlSeconds: number
  readonly data: RecordData
}

export function typeCodeOf(data: RecordData): number {
  return data.type === 'other' ? data.typeCode : rrTypes[data.type]
}

/**
 * Reads what a record says.
 *
 * @throws {DnsFormatError} If the data is not what its type demands.
 */
export function readRecordData(bytes: Uint8Array, view: RecordView): RecordData {
  const { dataOffset: at, dataLength: length, type } = view
  const end = at + length
  const want = (size: number): void => {
    if (length !== size) throw new DnsFormatError('record data', at, `it has ${length} bytes, want ${size}`)
  }
  const u16 = (offset: number): number => (bytes[offset]! << 8) | bytes[offset + 1]!
  const u32 = (offset: number): number => ((u16(offset) << 16) | u16(offset + 2)) >>> 0
  const nameAt = (offset: number): { name: Name, end: number } => {
    const read = readName(bytes, offset)
    if (read.end > end) throw new DnsFormatError('record data', at, 'a name goes on after its end')
    return read
  }
  const lastName = (offset: number): Name => {
    const read = nameAt(offset)
    if (read.end !== end) throw new DnsFormatError('record data', read.end, `it ends at ${end}, want it to end after its name`)
    return read.name
  }
  switch (type) {
    case rrTypes.A:
      want(4)
      return { type: 'A', address: ipFromBytes(bytes.subarray(at, end)) as Ipv4 }
    case rrTypes.AAAA:
      want(16)
      return { type: 'AAAA', address: ipFromBytes(bytes.subarray(at, end)) as Ipv6 }
    case rrTypes.CNAME:
      return { type: 'CNAME', target: lastName(at) }
    case rrTypes.NS:
      return { type: 'NS', target: lastName(at) }
    case rrTypes.PTR:
      return { type: 'PTR', target: lastName(at) }
    case rrTypes.SRV:
      if (length < 7) want(7)
      return { type: 'SRV', priority: u16(at), weight: u16(at + 2), port: u16(at + 4), target: lastName(at + 6) }
    case rrTypes.SOA: {
      const mname = nameAt(at)
      const rname = nameAt(mname.end)
      const rest = rname.end
      if (rest + 20 !== end) throw new DnsFormatError('record data', rest, `${end - rest} bytes follow the names, want 20`)
      return { type: 'SOA', mname: mname.name, rname: rname.name, serial: u32(rest), refreshSeconds: u32(rest + 4), retrySeconds: u32(rest + 8), expireSeconds: u32(rest + 12), minimumSeconds: u32(rest + 16) }
    }
    case rrTypes.TXT: {
      const strings: Uint8Array[] = []
      for (let next = at; next < end; next += bytes[next]! + 1) {
        if (next + 1 + bytes[next]! > end) throw new DnsFormatError('record data', next, 'a string goes on after its end')
        strings.push(Uint8Array.from(bytes.subarray(next + 1, next + 1 + bytes[next]!)))
      }
      if (strings.length === 0) throw new DnsFormatError('record data', at, 'it is empty, want at least one string')
      return { type: 'TXT', strings }
    }
    default:
      return { type: 'other', typeCode: type, bytes: Uint8Array.from(bytes.subarray(at, end)) }
  }
}

/** Writes what a record says at `offset` and returns the offset after it. */
export function writeRecordData(data: RecordData, out: Buffer, options: { readonly offset: number, readonly table?: CompressionTable | undefined }): number {
  const { offset, table } = options
  switch (data.type) {
    case 'A':
    case 'AAAA': {
      const bytes = ipToBytes(data.address)
      out.set(bytes, offset)
      return offset + bytes.length
    }
    case 'CNAME':
    case 'NS':
    case 'PTR':
      return writeName(data.target, out, { offset, table })
    case 'SRV':
      out.writeUInt16BE(data.priority, offset)
      out.writeUInt16BE(data.weight, offset + 2)
      out.writeUInt16BE(data.port, offset + 4)
      return writeName(data.target, out, { offset: offset + 6 })
    case 'SOA': {
      let at = writeName(data.mname, out, { offset, table })
      at = writeName(data.rname, out, { offset: at, table })
      for (const value of [data.serial, data.refreshSeconds, data.retrySeconds, data.expireSeconds, data.minimumSeconds]) at = out.writeUInt32BE(value, at)
      return at
    }
    case 'TXT': {
      let at = offset
      for (const string of data.strings) {
        out[at] = string.length
        out.set(string, at + 1)
        at += string.length + 1
      }
      return at
    }
    case 'other':
      out.set(data.bytes, offset)
      return offset + data.bytes.length
    default:
      return data satisfies never
  }
}

import { dataType, type DataTypeName } from './data-type.ts'
import type { Expression } from './expression.ts'
import { isTypeof, keyTypes, representative } from './key-type.ts'
import { checkText } from './name.ts'
import { NftError } from './nft-error.ts'
import { ctKey, metaKey } from './nf-tables.ts'
import type { MapDeclaration, SetDeclaration } from './table.ts'

// Read first: libnftnl include/libnftnl/udata.h. Userdata is opaque to the kernel: lists of {u8 type, u8 length, value} that nft reads back for printing.

/** Types inside a set's userdata. */
export const setTlv = { keyByteOrder: 0, dataByteOrder: 1, keyTypeof: 3, dataTypeof: 4, dataInterval: 6, comment: 7 } as const
/** Types inside an element's userdata. */
export const elementTlv = { comment: 0, flags: 1 } as const
/** Comment of tables, chains, rules and objects. */
export const COMMENT_TLV = 0
/** Fingerprint of our rules: far from nft's own numbers, which skips what it does not know. */
export const FINGERPRINT_TLV = 0xf7
/** Marks an element of an interval set that reaches to the end of the number space. */
const INTERVAL_OPEN = 1
export const typeofTlv = { expression: 0, data: 1 } as const
const byteOrderNumber = { host: 1, big: 2 } as const

/** One TLV. */
function tlv(type: number, value: Uint8Array): Uint8Array {
  if (value.length > 255) throw new NftError('ERR_NFT_VALUE_INVALID', `Cannot store userdata of ${value.length} bytes: nft takes 255`)
  return Buffer.concat([Uint8Array.of(type, value.length), value])
}

/** A comment as TLV, with its terminating zero. */
export function commentTlv(type: number, text: string): Uint8Array {
  return tlv(type, Buffer.from(`${checkText('comment', text, 128)}\0`))
}

/** Userdata of a rule: comment, then the fingerprint. */
export function ruleUserdata(comment: string | undefined, fingerprint: string): Uint8Array {
  const own = tlv(FINGERPRINT_TLV, Buffer.from(fingerprint, 'hex'))
  return comment === undefined ? own : Buffer.concat([commentTlv(COMMENT_TLV, comment), own])
}

/** Userdata of an open-ended interval element. */
export const openInterval: Uint8Array = tlv(elementTlv.flags, u32(INTERVAL_OPEN))

/** Userdata of a set: byte orders, `typeof` expressions, comment. */
export function setUserdata(collection: SetDeclaration | MapDeclaration): Uint8Array {
  const { key } = collection
  const parts: Uint8Array[] = [tlv(setTlv.keyByteOrder, u32(byteOrder(keyTypes(key))))]
  if (collection.kind === 'map') parts.push(tlv(setTlv.dataByteOrder, u32(collection.data === 'verdict' ? 0 : byteOrder(collection.data))))
  if (isTypeof(key)) {
    parts.push(tlv(setTlv.keyTypeof, typeofNest(key.typeof)))
    if (collection.kind === 'map' && collection.data !== 'verdict') parts.push(tlv(setTlv.dataTypeof, typeofNest(collection.data.map(representative))))
  }
  if (collection.kind === 'map' && !isTypeof(key)) parts.push(tlv(setTlv.dataInterval, u32(0)))
  if (collection.comment !== undefined) parts.push(commentTlv(setTlv.comment, collection.comment))
  return Buffer.concat(parts)
}

function byteOrder(types: readonly DataTypeName[]): number {
  return types.length === 1 ? byteOrderNumber[dataType(types[0]!).byteOrder] : 0
}

// nftables include/expression.h, enum expr_types (stable since 1.0.0).
export const expressionNumber = { payload: 7, meta: 9, ct: 12, concat: 13, numgen: 23 } as const
// nftables include/proto.h, enum proto_desc_id, and the header field numbers beside each.
export const protocolNumber: Readonly<Record<string, number>> = { icmp: 4, udp: 6, tcp: 8, sctp: 10, th: 11, ip: 12, ip6: 13, icmpv6: 14 }
export const fieldNumber: Readonly<Record<string, number>> = {
  'ip protocol': 9, 'ip saddr': 11, 'ip daddr': 12, 'ip6 nexthdr': 6, 'ip6 saddr': 8, 'ip6 daddr': 9, 'th sport': 1, 'th dport': 2, 'tcp sport': 1, 'tcp dport': 2,
  'udp sport': 1, 'udp dport': 2, 'sctp sport': 1, 'sctp dport': 2,
}

function typeofNest(expressions: readonly Expression[]): Uint8Array {
  if (expressions.length === 1) return typeofExpression(expressions[0]!)
  const parts = expressions.map((expression, index) => tlv(index, typeofExpression(expression)))
  return nest(expressionNumber.concat, Buffer.concat(parts))
}

function typeofExpression(expression: Expression): Uint8Array {
  switch (expression.kind) {
    case 'payload': {
      const protocol = protocolNumber[expression.protocol]
      const field = fieldNumber[`${expression.protocol} ${expression.field}`]
      if (protocol === undefined || field === undefined) break
      return nest(expressionNumber.payload, Buffer.concat([tlv(0, u32(protocol)), tlv(1, u32(field))]))
    }
    case 'meta': return nest(expressionNumber.meta, tlv(0, u32(metaKey[expression.key])))
    case 'ct': {
      const key = tlv(0, u32(ctKey[expression.key]))
      return nest(expressionNumber.ct, expression.direction ? Buffer.concat([key, tlv(1, u32(expression.direction === 'original' ? 0 : 1))]) : key)
    }
    case 'numgen':
      return nest(expressionNumber.numgen, Buffer.concat([tlv(0, u32(expression.mode === 'random' ? 1 : 0)), tlv(1, u32(expression.modulus)), tlv(2, u32(expression.offset))]))
    case 'fib': case 'jhash': case 'concat': case 'bits': case 'lookup': case 'anonymous-map': case 'constant': break
  }
  throw new NftError('ERR_NFT_TYPE_MISMATCH', `Cannot declare a key by expression "${expression.kind}": typeof takes header fields, meta, ct and numgen`)
}

function nest(expression: number, data: Uint8Array): Uint8Array {
  return Buffer.concat([tlv(typeofTlv.expression, u32(expression)), tlv(typeofTlv.data, data)])
}

function u32(value: number): Uint8Array {
  const out = Buffer.alloc(4)
  out.writeUInt32LE(value)
  return out
}

/** Reads TLVs; a malformed tail is dropped, as userdata is not ours alone. */
export function readTlvs(bytes: Uint8Array | undefined): Map<number, Uint8Array> {
  const out = new Map<number, Uint8Array>()
  if (bytes === undefined) return out
  for (let at = 0; at + 2 <= bytes.length;) {
    const end = at + 2 + bytes[at + 1]!
    if (end > bytes.length) break
    out.set(bytes[at]!, bytes.subarray(at + 2, end))
    at = end
  }
  return out
}

/** A comment out of TLVs. */
export function readComment(tlvs: ReadonlyMap<number, Uint8Array>, type: number = COMMENT_TLV): string | undefined {
  const bytes = tlvs.get(type)
  if (bytes === undefined) return undefined
  const text = Buffer.from(bytes).toString()
  return text.endsWith('\0') ? text.slice(0, -1) : text
}

import type { Expression } from './expression.ts'
import { ct, ip, ip6, meta, numgen, sctp, tcp, th, udp } from './fields.ts'
import { ctKey, metaKey } from './nf-tables.ts'
import { expressionNumber, fieldNumber, protocolNumber, readTlvs, typeofTlv } from './userdata.ts'

const fields: readonly Expression[] = [
  ip.saddr, ip.daddr, ip.protocol, ip6.saddr, ip6.daddr, ip6.nexthdr, th.sport, th.dport, tcp.sport, tcp.dport, udp.sport, udp.dport, sctp.sport, sctp.dport,
]
const metaFields: readonly Expression[] = Object.values(meta)
const ctFields: readonly Expression[] = [ct.state, ct.direction, ct.status, ct.mark, ct.zone, ct.protocol]

/** A key's expressions out of a `typeof` userdata; undefined if there is none, or one of another program that we cannot express. */
export function keyFromTypeof(bytes: Uint8Array | undefined): { readonly typeof: readonly Expression[] } | undefined {
  const outer = readNest(bytes)
  if (outer === undefined) return undefined
  const parts = outer.number === expressionNumber.concat ? [...readTlvs(outer.data).values()].map(readExpression) : [readExpression(bytes)]
  const known = parts.filter((part) => part !== undefined)
  return known.length > 0 && known.length === parts.length ? { typeof: known } : undefined
}

function readExpression(bytes: Uint8Array | undefined): Expression | undefined {
  const nest = readNest(bytes)
  if (nest === undefined) return undefined
  const values = readTlvs(nest.data)
  const first = u32(values.get(0))
  const second = u32(values.get(1))
  switch (nest.number) {
    case expressionNumber.payload:
      return fields.find((field) => field.kind === 'payload' && protocolNumber[field.protocol] === first && fieldNumber[`${field.protocol} ${field.field}`] === second)
    case expressionNumber.meta: {
      return metaFields.find((field) => field.kind === 'meta' && metaKey[field.key] === first)
    }
    case expressionNumber.ct: return second === undefined ? ctFields.find((field) => field.kind === 'ct' && ctKey[field.key] === first) : undefined
    case expressionNumber.numgen: return second === undefined ? undefined : numgen(first === 1 ? 'random' : 'inc', second, u32(values.get(2)) ?? 0)
    default: return undefined
  }
}

function readNest(bytes: Uint8Array | undefined): { readonly number: number; readonly data: Uint8Array | undefined } | undefined {
  if (bytes === undefined) return undefined
  const tlvs = readTlvs(bytes)
  const number = u32(tlvs.get(typeofTlv.expression))
  return number === undefined ? undefined : { number, data: tlvs.get(typeofTlv.data) }
}

function u32(bytes: Uint8Array | undefined): number | undefined {
  return bytes === undefined || bytes.length < 4 ? undefined : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true)
}

// Read first: https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding, protobuf.dev/programming-guides/encoding.
// Some kubectl verbs (`create configmap`) send protobuf and nothing else; answers are JSON, which every client takes.
import { asArray, asJson, memberObject, setMember, type Json, type JsonObject } from '../json.ts'
import { badRequest } from '../status.ts'
import { messageNamed, wireFields, type Field } from './message.ts'

const MAGIC = Buffer.from('k8s\0')
const WIRE_VARINT = 0
const WIRE_FIXED64 = 1
const WIRE_BYTES = 2
const WIRE_FIXED32 = 5

/** One field as it stands on the wire. */
interface WireValue {
  readonly number: number
  /** Varints and fixed numbers. */
  readonly integer: bigint
  readonly bytes: Buffer
}

/**
 * Decodes a protobuf body.
 *
 * @throws {ApiError} 400 when it is damaged or of a kind that has no known message.
 */
export function decodeProtobuf(body: Buffer): JsonObject {
  if (!body.subarray(0, 4).equals(MAGIC)) throw badRequest('the body is not Kubernetes protobuf: it lacks the prefix "k8s\\x00"')
  let apiVersion = ''
  let kind = ''
  let raw: Buffer = Buffer.alloc(0)
  for (const outer of wireValues(body.subarray(4))) {
    if (outer.number === 2) raw = outer.bytes
    if (outer.number !== 1) continue
    for (const inner of wireValues(outer.bytes)) {
      if (inner.number === 1) apiVersion = inner.bytes.toString()
      if (inner.number === 2) kind = inner.bytes.toString()
    }
  }
  const group = apiVersion.includes('/') ? apiVersion.split('/')[0]! : ''
  // DeleteOptions and such carry the group of the request.
  const name = kind === 'DeleteOptions' ? 'meta.DeleteOptions' : `${group === '' || group === 'v1' ? 'core' : group.split('.')[0]}.${kind}`
  if (messageNamed(name) === undefined || kind === 'CustomResourceDefinition') throw badRequest(`no protobuf message is known for ${apiVersion} ${kind}`)
  return { apiVersion, kind, ...decodeMessage(raw, name) }
}

function decodeMessage(bytes: Buffer, name: string): JsonObject {
  const fields = wireFields(name)
  const object: JsonObject = {}
  for (const wire of wireValues(bytes)) {
    const field = fields.get(wire.number)
    if (field === undefined) continue
    if (field.inline) Object.assign(object, decodeMessage(wire.bytes, field.type))
    else if (field.shape === 'list') object[field.name] = [...asArray(object[field.name]), decodeValue(wire, field.type)]
    else if (field.shape === 'map') addEntry(object, field, wire.bytes)
    else object[field.name] = decodeValue(wire, field.type)
  }
  return object
}

function addEntry(object: JsonObject, field: Field, bytes: Buffer): void {
  let key = ''
  let value: Json = field.type === 'y' || field.type === 's' ? '' : {}
  for (const wire of wireValues(bytes)) {
    if (wire.number === 1) key = wire.bytes.toString()
    if (wire.number === 2) value = decodeValue(wire, field.type)
  }
  setMember(memberObject(object, field.name), key, value)
}

function decodeValue(wire: WireValue, type: string): Json {
  switch (type) {
    case 's': return wire.bytes.toString()
    case 'y': return wire.bytes.toString('base64')
    case 'b': return wire.integer !== 0n
    case 'i': return Number(BigInt.asIntN(64, wire.integer))
    case 'd': return doubleOf(wire.integer)
    case 'quantity': return stringField(wire.bytes, 1)
    case 'time': case 'microtime': return timeOf(wire.bytes, type)
    case 'intorstring': return intOrString(wire.bytes)
    case 'raw': case 'any': return rawOf(wire.bytes)
    default: return decodeMessage(wire.bytes, type)
  }
}

function stringField(bytes: Buffer, number: number): string {
  for (const wire of wireValues(bytes)) if (wire.number === number) return wire.bytes.toString()
  return ''
}

function integerField(bytes: Buffer, number: number): number {
  for (const wire of wireValues(bytes)) if (wire.number === number) return Number(BigInt.asIntN(64, wire.integer))
  return 0
}

/** The zero time is an empty message; JSON writes null for it. */
function timeOf(bytes: Buffer, type: 'time' | 'microtime'): Json {
  const seconds = integerField(bytes, 1)
  if (seconds === 0) return null
  const text = new Date(seconds * 1000).toISOString().slice(0, 19)
  return type === 'time' ? `${text}Z` : `${text}.${String(Math.trunc(integerField(bytes, 2) / 1000)).padStart(6, '0')}Z`
}

function intOrString(bytes: Buffer): Json {
  return integerField(bytes, 1) === 0 ? integerField(bytes, 2) : stringField(bytes, 3)
}

function rawOf(bytes: Buffer): Json {
  const text = stringField(bytes, 1)
  try {
    return asJson(JSON.parse(text === '' ? 'null' : text))
  } catch {
    throw badRequest('an embedded object is not JSON')
  }
}

function doubleOf(bits: bigint): number {
  const view = new DataView(new ArrayBuffer(8))
  view.setBigUint64(0, bits)
  return view.getFloat64(0)
}

function* wireValues(bytes: Buffer): Generator<WireValue> {
  let offset = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const octet = bytes[offset++]
      if (octet === undefined || shift > 63n) throw badRequest('the protobuf body is damaged')
      value |= BigInt(octet & 0x7f) << shift
      if (octet < 0x80) return value
    }
  }
  const take = (length: number): Buffer => {
    if (offset + length > bytes.length) throw badRequest('the protobuf body is damaged')
    offset += length
    return bytes.subarray(offset - length, offset)
  }
  const nothing = Buffer.alloc(0)
  while (offset < bytes.length) {
    const tag = Number(varint())
    const number = Math.floor(tag / 8)
    switch (tag % 8) {
      case WIRE_VARINT: yield { number, integer: varint(), bytes: nothing }; break
      case WIRE_FIXED64: yield { number, integer: take(8).readBigUInt64LE(), bytes: nothing }; break
      case WIRE_BYTES: yield { number, integer: 0n, bytes: take(Number(varint())) }; break
      case WIRE_FIXED32: yield { number, integer: BigInt(take(4).readUInt32LE()), bytes: nothing }; break
      default: throw badRequest('the protobuf body is damaged')
    }
  }
}

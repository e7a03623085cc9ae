import { NetlinkDecodeError } from './errors.ts'
import { NLA_HEADER_LENGTH, NLA_TYPE_MASK, align4 } from './netlink-protocol.ts'

const decoder = new TextDecoder()

/** Called with the type of an attribute (flags masked off) and where its value lies. */
export type AttributeVisitor = (type: number, start: number, end: number) => void

/**
 * Visits the attributes in `bytes[start, end)`, in order, without allocating.
 * Fewer than four bytes at the end are padding and ignored, as the kernel does.
 *
 * @throws {NetlinkDecodeError} If an attribute is shorter than its header or longer than what is left.
 */
export function forEachAttribute(bytes: Uint8Array, start: number, end: number, visit: AttributeVisitor): void {
  if (end > bytes.length) throw new NetlinkDecodeError(`attributes: they end at ${end}, the buffer at ${bytes.length}`)
  let at = start
  while (end - at >= NLA_HEADER_LENGTH) {
    const length = readU16(bytes, at)
    if (length < NLA_HEADER_LENGTH || length > end - at) throw new NetlinkDecodeError(`attribute at ${at}: its length is ${length}, ${end - at} bytes are left`)
    visit(readU16(bytes, at + 2) & NLA_TYPE_MASK, at + NLA_HEADER_LENGTH, at + length)
    at += align4(length)
  }
}

/**
 * Attributes by type, read from a message. Getters give `undefined` for an absent attribute
 * and throw {@link NetlinkDecodeError} for one that is too short. Of several attributes with
 * the same type the last wins, as in the kernel; {@link Attributes.list} gives them all.
 */
export class Attributes {
  readonly #bytes: Uint8Array
  readonly #start: number
  readonly #end: number
  readonly #places = new Map<number, readonly [start: number, end: number]>()

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes
    this.#start = start
    this.#end = end
    forEachAttribute(bytes, start, end, (type, from, to) => this.#places.set(type, [from, to]))
  }

  has(type: number): boolean {
    return this.#places.has(type)
  }

  types(): IterableIterator<number> {
    return this.#places.keys()
  }

  u8(type: number): number | undefined {
    const at = this.#place(type, 1)
    return at === undefined ? undefined : this.#bytes[at]
  }

  u16(type: number): number | undefined {
    const at = this.#place(type, 2)
    return at === undefined ? undefined : readU16(this.#bytes, at)
  }

  u16be(type: number): number | undefined {
    const at = this.#place(type, 2)
    return at === undefined ? undefined : readU16be(this.#bytes, at)
  }

  u32(type: number): number | undefined {
    const at = this.#place(type, 4)
    return at === undefined ? undefined : readU32(this.#bytes, at)
  }

  i32(type: number): number | undefined {
    const at = this.#place(type, 4)
    return at === undefined ? undefined : readU32(this.#bytes, at) | 0
  }

  u32be(type: number): number | undefined {
    const at = this.#place(type, 4)
    return at === undefined ? undefined : readU32be(this.#bytes, at)
  }

  u64(type: number): bigint | undefined {
    const at = this.#place(type, 8)
    return at === undefined ? undefined : readU64(this.#bytes, at)
  }

  u64be(type: number): bigint | undefined {
    const at = this.#place(type, 8)
    return at === undefined ? undefined : readU64be(this.#bytes, at)
  }

  /** Text up to the first zero byte. */
  string(type: number): string | undefined {
    const bytes = this.bytes(type)
    if (bytes === undefined) return undefined
    const zero = bytes.indexOf(0)
    return decoder.decode(zero < 0 ? bytes : bytes.subarray(0, zero))
  }

  /** A view of the value, not a copy. */
  bytes(type: number): Uint8Array | undefined {
    const place = this.#places.get(type)
    return place === undefined ? undefined : this.#bytes.subarray(place[0], place[1])
  }

  nested(type: number): Attributes | undefined {
    const place = this.#places.get(type)
    return place === undefined ? undefined : new Attributes(this.#bytes, place[0], place[1])
  }

  /** Every attribute at this level, in order, each read as a nest: for lists such as NFTA_LIST_ELEM. */
  list(): Attributes[] {
    const out: Attributes[] = []
    forEachAttribute(this.#bytes, this.#start, this.#end, (_type, start, end) => out.push(new Attributes(this.#bytes, start, end)))
    return out
  }

  #place(type: number, size: number): number | undefined {
    const place = this.#places.get(type)
    if (place === undefined) return undefined
    if (place[1] - place[0] < size) throw new NetlinkDecodeError(`attribute ${type}: it has ${place[1] - place[0]} bytes, wanted ${size}`)
    return place[0]
  }
}

/**
 * Reads the attributes that follow a fixed header.
 *
 * @param start Length of the family's header inside the payload, e.g. 16 for `ifinfomsg`.
 * @throws {NetlinkDecodeError} If the payload is shorter than the header or an attribute is malformed.
 */
export function decodeAttributes(payload: Uint8Array, start = 0): Attributes {
  if (payload.length < start) throw new NetlinkDecodeError(`message: its payload has ${payload.length} bytes, its header alone takes ${start}`)
  return new Attributes(payload, align4(start), payload.length)
}

/** Little-endian (host order) 16 bits. The caller has checked the length. */
export function readU16(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8)
}

/** Network order 16 bits. The caller has checked the length. */
export function readU16be(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}

/** Little-endian (host order) 32 bits. The caller has checked the length. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}

/** Network order 32 bits. The caller has checked the length. */
export function readU32be(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

/** Little-endian (host order) 64 bits. The caller has checked the length. */
export function readU64(bytes: Uint8Array, at: number): bigint {
  return BigInt(readU32(bytes, at)) | (BigInt(readU32(bytes, at + 4)) << 32n)
}

/** Network order 64 bits. The caller has checked the length. */
export function readU64be(bytes: Uint8Array, at: number): bigint {
  return (BigInt(readU32be(bytes, at)) << 32n) | BigInt(readU32be(bytes, at + 4))
}

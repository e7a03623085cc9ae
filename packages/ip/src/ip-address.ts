// Read first: RFC 4291 §2 (IPv6 text), RFC 5952 (its canonical form), RFC 6943 §3.1.1 (why short IPv4 forms are refused).

declare const brand: unique symbol

export type Family = 4 | 6

/** An IPv4 address. `bits` is the address as a number of 32 bits. */
export interface Ipv4 { readonly family: 4, readonly bits: bigint, readonly [brand]: 'Ipv4' }

/** An IPv6 address without zone. `bits` is the address as a number of 128 bits. */
export interface Ipv6 { readonly family: 6, readonly bits: bigint, readonly [brand]: 'Ipv6' }

export type IpAddress = Ipv4 | Ipv6

/** Bits of an address of that family. */
export function addressBits(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128
}

/**
 * Builds an address from its number.
 *
 * @throws {RangeError} If the number does not fit the family.
 */
export function ipFromBits(family: 4, bits: bigint): Ipv4
export function ipFromBits(family: 6, bits: bigint): Ipv6
export function ipFromBits(family: Family, bits: bigint): IpAddress
export function ipFromBits(family: Family, bits: bigint): IpAddress {
  if (bits < 0n || bits >> BigInt(addressBits(family)) !== 0n) throw new RangeError(`Cannot build IPv${family} address from ${bits}: it has ${addressBits(family)} bits`)
  return { family, bits } as IpAddress
}

/**
 * Parses four decimal numbers. Leading zeros and short forms are refused: other programs read them as octal or as
 * other addresses (CVE-2021-29923).
 *
 * @throws {SyntaxError}
 */
export function parseIpv4(text: string): Ipv4 {
  const bits = readIpv4(text)
  if (bits === undefined) throw new SyntaxError(`Cannot parse IPv4 address "${text}": wanted four decimal numbers without leading zeros, e.g. 10.0.0.1`)
  return ipFromBits(4, BigInt(bits))
}

/**
 * Parses RFC 4291 §2.2 text, with an embedded IPv4 address too. Zone identifiers are refused.
 *
 * @throws {SyntaxError}
 */
export function parseIpv6(text: string): Ipv6 {
  const bits = readIpv6(text)
  if (bits === undefined) throw new SyntaxError(`Cannot parse IPv6 address "${text}": wanted RFC 4291 text without a zone, e.g. fd00::1`)
  return ipFromBits(6, bits)
}

/**
 * Parses an address of either family.
 *
 * @throws {SyntaxError}
 */
export function parseIp(text: string): IpAddress {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text)
}

/** Canonical text (RFC 5952 for IPv6). */
export function formatIp(ip: IpAddress): string {
  return ip.family === 4 ? formatIpv4(Number(ip.bits)) : formatIpv6(ip.bits)
}

/** Network byte order, 4 or 16 bytes. */
export function ipToBytes(ip: IpAddress): Uint8Array {
  if (ip.family === 4) {
    const number = Number(ip.bits)
    return Uint8Array.of(number >>> 24, (number >>> 16) & 255, (number >>> 8) & 255, number & 255)
  }
  const bytes = new Uint8Array(16)
  const view = new DataView(bytes.buffer)
  view.setBigUint64(0, ip.bits >> 64n)
  view.setBigUint64(8, ip.bits & 0xffff_ffff_ffff_ffffn)
  return bytes
}

/** @throws {RangeError} If there are neither 4 nor 16 bytes. */
export function ipFromBytes(bytes: Uint8Array): IpAddress {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length === 4) return ipFromBits(4, BigInt(view.getUint32(0)))
  if (bytes.length === 16) return ipFromBits(6, (view.getBigUint64(0) << 64n) | view.getBigUint64(8))
  throw new RangeError(`Cannot build address from ${bytes.length} bytes: wanted 4 or 16`)
}

/** IPv4 before IPv6, then by number. */
export function compareIp(a: IpAddress, b: IpAddress): number {
  return a.family !== b.family ? a.family - b.family : a.bits < b.bits ? -1 : a.bits > b.bits ? 1 : 0
}

export function equalIp(a: IpAddress, b: IpAddress): boolean {
  return a.family === b.family && a.bits === b.bits
}

/** @throws {RangeError} After the last address of the family. */
export function nextIp(ip: IpAddress): IpAddress {
  return ipFromBits(ip.family, ip.bits + 1n)
}

/** @throws {RangeError} Before the first address of the family. */
export function prevIp(ip: IpAddress): IpAddress {
  return ipFromBits(ip.family, ip.bits - 1n)
}

function readIpv4(text: string): number | undefined {
  let bits = 0
  let part = -1
  let parts = 0
  for (let index = 0; index <= text.length; index += 1) {
    const code = index === text.length ? 46 : text.charCodeAt(index)
    if (code === 46) {
      if (part < 0) return undefined
      bits = bits * 256 + part
      parts += 1
      part = -1
    } else if (code >= 48 && code <= 57) {
      if (part === 0) return undefined
      part = (part < 0 ? 0 : part * 10) + code - 48
      if (part > 255) return undefined
    } else {
      return undefined
    }
  }
  return parts === 4 ? bits : undefined
}

function readIpv6(text: string): bigint | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = readGroups(halves[0]!, halves.length === 1)
  const tail = halves.length === 2 ? readGroups(halves[1]!, true) : []
  if (head === undefined || tail === undefined) return undefined
  const given = head.length + tail.length
  // `::` stands for at least one group of zeros.
  if (halves.length === 1 ? given !== 8 : given > 7) return undefined
  let bits = 0n
  for (const group of head) bits = (bits << 16n) | BigInt(group)
  bits <<= BigInt((8 - given) * 16)
  for (const group of tail) bits = (bits << 16n) | BigInt(group)
  return bits
}

function readGroups(text: string, last: boolean): number[] | undefined {
  if (text === '') return []
  const groups: number[] = []
  const words = text.split(':')
  for (const [index, word] of words.entries()) {
    if (last && index === words.length - 1 && word.includes('.')) {
      const embedded = readIpv4(word)
      if (embedded === undefined) return undefined
      groups.push(Math.floor(embedded / 65_536), embedded % 65_536)
    } else if (/^[0-9a-fA-F]{1,4}$/.test(word)) {
      groups.push(Number.parseInt(word, 16))
    } else {
      return undefined
    }
  }
  return groups
}

function formatIpv4(number: number): string {
  return `${Math.floor(number / 16_777_216)}.${(number >>> 16) & 255}.${(number >>> 8) & 255}.${number & 255}`
}

function formatIpv6(bits: bigint): string {
  const groups: number[] = []
  for (let shift = 112n; shift >= 0n; shift -= 16n) groups.push(Number((bits >> shift) & 0xffffn))
  // RFC 5952 §5: IPv4-mapped addresses keep their dotted tail.
  if (bits >> 32n === 0xffffn) return `::ffff:${formatIpv4(Number(bits & 0xffff_ffffn))}`
  let start = -1
  let length = 1
  for (let index = 0; index < 8; index += 1) {
    let run = 0
    while (index + run < 8 && groups[index + run] === 0) run += 1
    // The longest run, the first of equal ones, and never a single group (RFC 5952 §4.2).
    if (run > length) {
      start = index
      length = run
    }
    index += run
  }
  const hex = (from: number, to: number): string => groups.slice(from, to).map((group) => group.toString(16)).join(':')
  return start < 0 ? hex(0, 8) : `${hex(0, start)}::${hex(start + length, 8)}`
}

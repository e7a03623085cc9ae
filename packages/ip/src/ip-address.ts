// Read first: RFC 4291 §2 (IPv6 text), RFC 5952 (its canonical form), RFC 6943 §3.1.1 (why short IPv4 forms are refused).

declare const brand: unique symbol

const dot = 46
const colon = 58
/** `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`; what is longer is not looked at. */
const longestText = 45
const highest = { 4: 2n ** 32n - 1n, 6: 2n ** 128n - 1n } as const

// Working space of one call; no function that uses it calls another that does.
const groups = new Uint16Array(8)
const scratch = new DataView(new ArrayBuffer(16))

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
  if (bits < 0n || bits > highest[family]) throw new RangeError(`Cannot build IPv${family} address from ${bits}: it has ${addressBits(family)} bits`)
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
  return { family: 4, bits: BigInt(bits) } as Ipv4
}

/**
 * Parses RFC 4291 §2.2 text, with an embedded IPv4 address too. An IPv4-mapped address stays IPv6 (see {@link unmapIp}).
 * Zone identifiers are refused: a zone names a link of one machine.
 *
 * @throws {SyntaxError}
 */
export function parseIpv6(text: string): Ipv6 {
  const bits = readIpv6(text)
  if (bits === undefined) throw new SyntaxError(`Cannot parse IPv6 address "${text}": wanted RFC 4291 text without a zone, e.g. fd00::1`)
  return { family: 6, bits } as Ipv6
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
  view.setBigUint64(8, BigInt.asUintN(64, ip.bits))
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

/** The IPv4 address inside an IPv4-mapped IPv6 one (`::ffff:10.0.0.1`, as dual-stack sockets name their peers); others as they are. */
export function unmapIp(ip: IpAddress): IpAddress {
  return ip.family === 6 && ip.bits >> 32n === 0xffffn ? ipFromBits(4, ip.bits & 0xffff_ffffn) : ip
}

function readIpv4(text: string): number | undefined {
  if (text.length > longestText) return undefined
  let bits = 0
  let part = -1
  let parts = 0
  for (let index = 0; index <= text.length; index += 1) {
    const code = index === text.length ? dot : text.charCodeAt(index)
    if (code === dot) {
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

/** One pass, no allocation before the result: pod, node and endpoint addresses are parsed by the ten thousand. */
function readIpv6(text: string): bigint | undefined {
  if (text.length > longestText) return undefined
  let count = 0
  let gap = -1
  let group = 0
  let digits = 0
  let index = 0
  while (index < text.length) {
    const code = text.charCodeAt(index)
    const digit = hexDigit(code)
    if (digit >= 0) {
      group = group * 16 + digit
      digits += 1
      index += 1
      if (digits > 4) return undefined
    } else if (code === colon) {
      if (digits > 0) {
        if (count === 8) return undefined
        groups[count] = group
        count += 1
        group = 0
        digits = 0
        index += 1
        if (index === text.length) return undefined
        if (text.charCodeAt(index) !== colon) continue
      } else if (index === 0 && text.charCodeAt(1) === colon) {
        index = 1
      } else {
        return undefined
      }
      // The second colon of `::`, which may stand once.
      if (gap >= 0) return undefined
      gap = count
      index += 1
    } else if (code === dot && digits > 0 && count <= 6) {
      const embedded = readIpv4(text.slice(index - digits))
      if (embedded === undefined) return undefined
      groups[count] = embedded >>> 16
      groups[count + 1] = embedded & 0xffff
      count += 2
      digits = 0
      index = text.length
    } else {
      return undefined
    }
  }
  if (digits > 0) {
    if (count === 8) return undefined
    groups[count] = group
    count += 1
  }
  // `::` stands for at least one group of zeros.
  if (gap < 0 ? count !== 8 : count > 7) return undefined
  scratch.setBigUint64(0, 0n)
  scratch.setBigUint64(8, 0n)
  const moved = gap < 0 ? 0 : 8 - count
  for (let at = 0; at < count; at += 1) scratch.setUint16((at < gap || gap < 0 ? at : at + moved) * 2, groups[at]!)
  return (scratch.getBigUint64(0) << 64n) | scratch.getBigUint64(8)
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48
  const lower = code | 32
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}

function formatIpv4(number: number): string {
  return `${number >>> 24}.${(number >>> 16) & 255}.${(number >>> 8) & 255}.${number & 255}`
}

function formatIpv6(bits: bigint): string {
  scratch.setBigUint64(0, bits >> 64n)
  scratch.setBigUint64(8, bits)
  // RFC 5952 §5: IPv4-mapped addresses keep their dotted tail.
  if (scratch.getUint32(0) === 0 && scratch.getUint32(4) === 0 && scratch.getUint32(8) === 0xffff) return `::ffff:${formatIpv4(scratch.getUint32(12))}`
  let start = -1
  let length = 1
  let run = 0
  for (let at = 0; at < 8; at += 1) {
    run = scratch.getUint16(at * 2) === 0 ? run + 1 : 0
    // The longest run, the first of equal ones, and never a single group (RFC 5952 §4.2).
    if (run > length) {
      start = at + 1 - run
      length = run
    }
  }
  if (start < 0) return hexGroups(0, 8)
  return `${hexGroups(0, start)}::${hexGroups(start + length, 8)}`
}

/** Groups of the scratch, from the first until before the last. */
function hexGroups(from: number, to: number): string {
  let text = ''
  for (let at = from; at < to; at += 1) text += (at === from ? '' : ':') + scratch.getUint16(at * 2).toString(16)
  return text
}

// Read first: RFC 4632 (CIDR), RFC 4291 §2.3 (IPv6 prefixes).
import { addressBits, type Family, formatIp, type IpAddress, ipFromBits, parseIp } from './ip-address.ts'

declare const brand: unique symbol

/** A network: host bits are zero. Build one with {@link parseCidr} or {@link cidrFrom}. */
export interface Cidr { readonly family: Family, readonly bits: bigint, readonly prefix: number, readonly [brand]: 'Cidr' }

/**
 * Parses `address/prefix`.
 *
 * @param text Host bits must be zero, e.g. `10.1.0.0/16`.
 * @throws {SyntaxError}
 */
export function parseCidr(text: string): Cidr {
  const { address, prefix } = parseInterfaceAddress(text)
  const cidr = cidrFrom(address, prefix)
  if (cidr.bits !== address.bits) throw new SyntaxError(`Cannot parse network "${text}": host bits are set, wanted ${formatCidr(cidr)}`)
  return cidr
}

/**
 * Parses `address/prefix` where the address is that of an interface inside the network, e.g. `10.1.2.3/24`.
 *
 * @throws {SyntaxError}
 */
export function parseInterfaceAddress(text: string): { readonly address: IpAddress, readonly prefix: number } {
  const slash = text.indexOf('/')
  const prefix = slash < 0 ? undefined : readPrefix(text, slash + 1)
  if (prefix === undefined) throw new SyntaxError(`Cannot parse network "${text}": wanted address/prefix, e.g. 10.1.0.0/16`)
  const address = parseAddressOf(text, slash)
  if (prefix > addressBits(address.family)) throw new SyntaxError(`Cannot parse network "${text}": prefix length ${prefix} is over ${addressBits(address.family)}`)
  return { address, prefix }
}

function parseAddressOf(text: string, slash: number): IpAddress {
  try {
    return parseIp(text.slice(0, slash))
  } catch (error) {
    throw new SyntaxError(`Cannot parse network "${text}": "${text.slice(0, slash)}" is no address, wanted address/prefix, e.g. 10.1.0.0/16`, { cause: error })
  }
}

/** One to three digits without leading zeros, up to the end. */
function readPrefix(text: string, start: number): number | undefined {
  const digits = text.length - start
  if (digits < 1 || digits > 3 || (digits > 1 && text.charCodeAt(start) === 48)) return undefined
  let prefix = 0
  for (let index = start; index < text.length; index += 1) {
    const digit = text.charCodeAt(index) - 48
    if (digit < 0 || digit > 9) return undefined
    prefix = prefix * 10 + digit
  }
  return prefix
}

/**
 * The network of that prefix length around an address; host bits are cleared.
 *
 * @throws {RangeError} If the prefix length does not fit the family.
 */
export function cidrFrom(ip: { readonly family: Family, readonly bits: bigint }, prefix: number): Cidr {
  const width = addressBits(ip.family)
  if (!Number.isInteger(prefix) || prefix < 0 || prefix > width) throw new RangeError(`Cannot build network: prefix length ${prefix} is not from 0 to ${width}`)
  const host = BigInt(width - prefix)
  return { family: ip.family, bits: (ip.bits >> host) << host, prefix } as Cidr
}

/** The network of one address: /32 or /128. */
export function hostCidr(ip: IpAddress): Cidr {
  return { family: ip.family, bits: ip.bits, prefix: addressBits(ip.family) } as Cidr
}

export function formatCidr(cidr: Cidr): string {
  return `${formatIp(firstIp(cidr))}/${cidr.prefix}`
}

/** Lowest address: the network's own. */
export function firstIp(cidr: Cidr): IpAddress {
  return ipFromBits(cidr.family, cidr.bits)
}

/** Highest address: broadcast in IPv4. */
export function lastIp(cidr: Cidr): IpAddress {
  return ipFromBits(cidr.family, cidr.bits + cidrSize(cidr) - 1n)
}

/** Number of addresses. */
export function cidrSize(cidr: Cidr): bigint {
  return 1n << BigInt(addressBits(cidr.family) - cidr.prefix)
}

/** Whether an address, or a whole network, lies inside. The other family never does. */
export function cidrContains(cidr: Cidr, inner: IpAddress | Cidr): boolean {
  if (cidr.family !== inner.family || ('prefix' in inner && inner.prefix < cidr.prefix)) return false
  const host = BigInt(addressBits(cidr.family) - cidr.prefix)
  return inner.bits >> host === cidr.bits >> host
}

/** By family, then address, then shorter prefix first. */
export function compareCidr(a: Cidr, b: Cidr): number {
  return a.family - b.family || (a.bits < b.bits ? -1 : a.bits > b.bits ? 1 : a.prefix - b.prefix)
}

export function equalCidr(a: Cidr, b: Cidr): boolean {
  return a.family === b.family && a.bits === b.bits && a.prefix === b.prefix
}

/**
 * Networks of a longer prefix length, in order; made one by one, a /48 has 65536 of /64.
 *
 * @throws {RangeError} If `prefix` is shorter than the network's own or too long for the family.
 */
export function splitCidr(cidr: Cidr, prefix: number): Iterable<Cidr> {
  const width = addressBits(cidr.family)
  if (!Number.isInteger(prefix) || prefix < cidr.prefix || prefix > width) throw new RangeError(`Cannot split network "${formatCidr(cidr)}": wanted a prefix length from ${cidr.prefix} to ${width}, got ${prefix}`)
  return partsOf(cidr, prefix)
}

function* partsOf(cidr: Cidr, prefix: number): Generator<Cidr, void, undefined> {
  const size = 1n << BigInt(addressBits(cidr.family) - prefix)
  const end = cidr.bits + cidrSize(cidr)
  for (let bits = cidr.bits; bits < end; bits += size) yield cidrFrom({ family: cidr.family, bits }, prefix)
}

/** All addresses in order, the first and the last too; made one by one, a /64 has more than anybody can count. */
export function* addressesOf(cidr: Cidr): Generator<IpAddress, void, undefined> {
  const end = cidr.bits + cidrSize(cidr)
  for (let bits = cidr.bits; bits < end; bits += 1n) yield ipFromBits(cidr.family, bits)
}

/** The fewest networks that cover the same addresses, sorted. */
export function aggregateCidrs(cidrs: Iterable<Cidr>): readonly Cidr[] {
  const result: Cidr[] = []
  for (const cidr of [...cidrs].sort(compareCidr)) {
    let next = cidr
    if (result.length > 0 && cidrContains(result.at(-1)!, next)) continue
    // Two halves of one network become it, which may then be the half of a larger one.
    for (let last = result.at(-1); last !== undefined && areHalves(last, next); last = result.at(-1)) {
      result.pop()
      next = cidrFrom(last, last.prefix - 1)
    }
    result.push(next)
  }
  return result
}

/** The fewest networks that cover `cidr` without the excepted ones, sorted. Exceptions outside of it do not matter. */
export function excludeCidrs(cidr: Cidr, excepts: readonly Cidr[]): readonly Cidr[] {
  if (excepts.some((except) => cidrContains(except, cidr))) return []
  const inside = excepts.filter((except) => cidrContains(cidr, except))
  if (inside.length === 0) return [cidr]
  return [...splitCidr(cidr, cidr.prefix + 1)].flatMap((half) => excludeCidrs(half, inside))
}

function areHalves(low: Cidr, high: Cidr): boolean {
  return low.family === high.family && low.prefix === high.prefix && low.prefix > 0
    && equalCidr(cidrFrom(low, low.prefix - 1), cidrFrom(high, high.prefix - 1))
}

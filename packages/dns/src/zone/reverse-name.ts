// Read first: RFC 1035 §3.5 (in-addr.arpa), RFC 3596 §2.5 (ip6.arpa).
import { type Cidr, firstIp, type IpAddress, ipFromBits, ipToBytes, splitCidr } from '@weft/ip'
import { type Name, nameFromLabels } from '../wire/name.ts'

const encoder = new TextEncoder()
const roots = { 4: ['in-addr', 'arpa'], 6: ['ip6', 'arpa'] } as const

/** `1.0.96.10.in-addr.arpa.`, or 32 nibbles under `ip6.arpa.` */
export function reverseName(address: IpAddress): Name {
  return nameOf(reverseLabels(address), address.family)
}

/** From right to left as addresses are read, so: most significant last. */
function reverseLabels(address: IpAddress): string[] {
  const bytes = [...ipToBytes(address)]
  if (address.family === 4) return bytes.map(String).reverse()
  return bytes.flatMap((byte) => [(byte >> 4).toString(16), (byte & 15).toString(16)]).reverse()
}

function nameOf(labels: readonly string[], family: 4 | 6): Name {
  return nameFromLabels([...labels, ...roots[family]].map((label) => encoder.encode(label)))
}

/** The zones that together hold the reverse names of a range: cut at whole octets (IPv4) or nibbles (IPv6). */
export function reverseZones(range: Cidr): Name[] {
  const step = range.family === 4 ? 8 : 4
  const prefix = Math.max(step, Math.ceil(range.prefix / step) * step)
  const parts = prefix === range.prefix ? [range] : [...splitCidr(range, prefix)]
  return parts.map((part) => nameOf(reverseLabels(firstIp(part)).slice(-prefix / step), range.family))
}

/** A number that stands for an address in maps: a plain number for IPv4, a bigint for IPv6. */
export type AddressKey = number | bigint

export function addressKey(address: IpAddress): AddressKey {
  return address.family === 4 ? Number(address.bits) : address.bits
}

export function addressOfKey(key: AddressKey): IpAddress {
  return typeof key === 'number' ? ipFromBits(4, BigInt(key)) : ipFromBits(6, key)
}

/**
 * Which address a reverse name is about; undefined for one that is about none (too few or too many labels, leading
 * zeros, something that is not a digit).
 *
 * @param labels Lower-case text of the labels left of `arpa`, from left to right.
 */
export function addressOfReverse(labels: readonly string[]): AddressKey | undefined {
  const root = labels.at(-1)
  const digits = labels.slice(0, -1).reverse()
  if (root === 'in-addr' && digits.length === 4) {
    const octets = digits.map((digit) => (/^(?:0|[1-9]\d{0,2})$/.test(digit) ? Number(digit) : 256))
    if (octets.some((octet) => octet > 255)) return undefined
    return octets.reduce((sum, octet) => sum * 256 + octet, 0)
  }
  if (root === 'ip6' && digits.length === 32) {
    if (!digits.every((digit) => /^[\da-f]$/.test(digit))) return undefined
    return BigInt(`0x${digits.join('')}`)
  }
  return undefined
}

import { type Family, formatIp, ipFromBits, parseIpv4, parseIpv6 } from '@weft/ip'

/** Address text to its bits; undefined when it is none of that family. */
export function addressBits(text: string, family: Family): bigint | undefined {
  try {
    return (family === 4 ? parseIpv4(text) : parseIpv6(text)).bits
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Bits to text as inet_ntop prints them, which is RFC 5952 but for IPv4-compatible addresses. */
export function addressText(bits: bigint, family: Family): string {
  if (family === 6 && bits >> 32n === 0n && bits >> 16n !== 0n) return `::${addressText(bits, 4)}`
  return formatIp(ipFromBits(family, bits))
}

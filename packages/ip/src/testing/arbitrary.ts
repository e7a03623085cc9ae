import * as fc from 'fast-check'
import { type Cidr, cidrFrom } from '../cidr.ts'
import { type Family, type IpAddress, ipFromBits } from '../ip-address.ts'

// Zeros in a row are what IPv6 text is about, so whole groups are zero often.
const group = fc.oneof(fc.constant(0), fc.constant(0xffff), fc.nat(0xffff))

const anyIpv4: fc.Arbitrary<IpAddress> = fc.nat(0xffff_ffff).map((bits) => ipFromBits(4, BigInt(bits)))
export const anyIpv6: fc.Arbitrary<IpAddress> = fc.array(group, { minLength: 8, maxLength: 8 })
  .map((groups) => ipFromBits(6, groups.reduce((bits, part) => (bits << 16n) | BigInt(part), 0n)))
export const anyIp: fc.Arbitrary<IpAddress> = fc.oneof(anyIpv4, anyIpv6)
export const anyCidr: fc.Arbitrary<Cidr> = anyIp.chain((ip) => fc.nat(ip.family === 4 ? 32 : 128).map((prefix) => cidrFrom(ip, prefix)))

/** Where the 256 addresses of {@link smallCidr} begin. */
export const smallWorld = { 4: 0x0a00_0000n, 6: 0xfd00_0000_0000_0000_0000_0000_0000_0000n } as const

/** Networks among 256 neighbouring addresses: they meet, nest and touch often, and a test can walk every address. */
export function smallCidr(family: Family): fc.Arbitrary<Cidr> {
  const width = family === 4 ? 32 : 128
  return fc.record({ offset: fc.nat(255), host: fc.nat(8) }).map(({ offset, host }) => cidrFrom({ family, bits: smallWorld[family] + BigInt(offset) }, width - host))
}

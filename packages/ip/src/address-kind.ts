// Read first: RFC 6890 (special-purpose registries), RFC 4291 §2.4.
import { type Cidr, cidrContains, parseCidr } from './cidr.ts'
import { type IpAddress, unmapIp } from './ip-address.ts'

function among(...texts: readonly string[]): (ip: IpAddress) => boolean {
  const ranges: readonly Cidr[] = texts.map(parseCidr)
  return (ip) => {
    const inner = unmapIp(ip)
    return ranges.some((range) => cidrContains(range, inner))
  }
}

/** 127.0.0.0/8 and ::1. Like the others here, an IPv4-mapped IPv6 address is judged by the IPv4 address inside. */
export const isLoopback: (ip: IpAddress) => boolean = among('127.0.0.0/8', '::1/128')
/** 169.254.0.0/16 and fe80::/10. */
export const isLinkLocal: (ip: IpAddress) => boolean = among('169.254.0.0/16', 'fe80::/10')
/** 224.0.0.0/4 and ff00::/8. */
export const isMulticast: (ip: IpAddress) => boolean = among('224.0.0.0/4', 'ff00::/8')
/** "This network" (0.0.0.0/8, RFC 1122 §3.2.1.3) and ::. */
export const isUnspecified: (ip: IpAddress) => boolean = among('0.0.0.0/8', '::/128')

// Read first: RFC 791 §3.1, RFC 8200 §3 and §4 (extension headers).
import { type IpAddress, ipFromBytes } from '@weft/ip'

/** Who sent a packet to whom. */
export interface PacketHead {
  readonly source: IpAddress
  readonly destination: IpAddress
  /** IANA number, e.g. 6 for TCP. */
  readonly protocol: number
  /** Of TCP, UDP and SCTP; undefined for all others, and for fragments but the first. */
  readonly sourcePort: number | undefined
  readonly destinationPort: number | undefined
}

const ipv4 = { minimum: 20, fragment: 6, protocol: 9, source: 12, destination: 16 } as const
const ipv6 = { length: 40, next: 6, source: 8, destination: 24 } as const
const fragmentOffset4 = 0x1fff
const fragmentOffset6 = 0xfff8
const withPorts: ReadonlySet<number> = new Set([6, 17, 132])
/** Hop-by-hop, routing and destination options: a length in units of 8 bytes, less the first. */
const options: ReadonlySet<number> = new Set([0, 43, 60])
const fragmentHeader = 44

/** @returns Undefined when the bytes are no whole IP header. */
export function readPacketHead(bytes: Uint8Array): PacketHead | undefined {
  if (bytes.length === 0) return undefined
  const version = bytes[0]! >> 4
  if (version === 4) return readIpv4(bytes)
  return version === 6 ? readIpv6(bytes) : undefined
}

function readIpv4(bytes: Uint8Array): PacketHead | undefined {
  const length = (bytes[0]! & 15) * 4
  if (length < ipv4.minimum || bytes.length < length) return undefined
  const isFirst = (u16(bytes, ipv4.fragment) & fragmentOffset4) === 0
  return headOf(bytes, { source: ipv4.source, destination: ipv4.destination, size: 4, protocol: bytes[ipv4.protocol]!, ports: isFirst ? length : undefined })
}

function readIpv6(bytes: Uint8Array): PacketHead | undefined {
  if (bytes.length < ipv6.length) return undefined
  let protocol = bytes[ipv6.next]!
  let at: number = ipv6.length
  let isFirst = true
  while ((options.has(protocol) || protocol === fragmentHeader) && at + 8 <= bytes.length) {
    if (protocol === fragmentHeader) isFirst &&= (u16(bytes, at + 2) & fragmentOffset6) === 0
    const length = protocol === fragmentHeader ? 8 : (bytes[at + 1]! + 1) * 8
    protocol = bytes[at]!
    at += length
  }
  return headOf(bytes, { source: ipv6.source, destination: ipv6.destination, size: 16, protocol, ports: isFirst ? at : undefined })
}

interface Places {
  readonly source: number
  readonly destination: number
  /** Bytes of an address. */
  readonly size: number
  readonly protocol: number
  /** Where the ports are; undefined where there are none. */
  readonly ports: number | undefined
}

function headOf(bytes: Uint8Array, { source, destination, size, protocol, ports }: Places): PacketHead {
  const hasPorts = ports !== undefined && withPorts.has(protocol) && ports + 4 <= bytes.length
  return {
    source: ipFromBytes(bytes.slice(source, source + size)),
    destination: ipFromBytes(bytes.slice(destination, destination + size)),
    protocol,
    sourcePort: hasPorts ? u16(bytes, ports) : undefined,
    destinationPort: hasPorts ? u16(bytes, ports + 2) : undefined,
  }
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}

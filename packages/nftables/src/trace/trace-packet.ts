import type { AddressValue, Value } from '../value.ts'
import { addressBits } from '../address-text.ts'
import { ipFromBits } from '@weft/ip'

/** A packet to be traced. Addresses may be text; `iif` absent means that the node itself sends it. */
export interface TracePacket {
  readonly saddr: AddressValue | string
  readonly daddr: AddressValue | string
  /** @default 'tcp' */
  readonly protocol?: 'tcp' | 'udp' | 'sctp' | 'icmp' | 'icmpv6' | undefined
  readonly sport?: number | undefined
  readonly dport?: number | undefined
  /** ICMP type, a number or nft's word. */
  readonly icmpType?: number | string | undefined
  readonly icmpCode?: number | undefined
  /** TCP flags as nft words, comma-separated; `syn` for new connections. */
  readonly tcpFlags?: readonly string[] | undefined
  /** Name of the interface it came in by. */
  readonly iif?: string | undefined
  /** Name of the interface it leaves by. */
  readonly oif?: string | undefined
  readonly mark?: number | undefined
  /** User of the sending socket, for packets of the node itself. */
  readonly skuid?: number | undefined
  readonly length?: number | undefined
  /** Seen by conntrack as. @default 'new', or 'established' when a connection is given */
  readonly ctState?: 'new' | 'established' | 'related' | 'invalid' | undefined
}

/** What conntrack remembers of a connection; give it back to trace later packets of it. */
export interface TraceConnection {
  readonly original: Tuple5
  /** Where DNAT sent it. */
  readonly dnat: Endpoint | undefined
  /** What SNAT made of its source; `masquerade` when the address is the interface's. */
  readonly snat: { readonly address: AddressValue | 'masquerade', readonly port: number | undefined } | undefined
  readonly mark: number
}

/** An address and a port, as DNAT chose them. */
export interface Endpoint {
  readonly address: AddressValue
  readonly port: number | undefined
}

/** One direction of a connection. */
export interface Tuple5 {
  readonly saddr: AddressValue
  readonly daddr: AddressValue
  readonly sport: number | undefined
  readonly dport: number | undefined
  readonly protocol: number
}

/** The packet while it travels. */
export interface Flight {
  saddr: AddressValue
  daddr: AddressValue
  sport: number | undefined
  dport: number | undefined
  readonly protocol: number
  readonly icmpType: Value | undefined
  readonly icmpCode: number | undefined
  readonly tcpFlags: number
  readonly iif: string | undefined
  oif: string | undefined
  mark: number
  priority: number
  readonly skuid: number
  readonly length: number
  /** What conntrack says once it has seen the packet; undefined before. */
  ct: FlightCt | undefined
  untracked: boolean
}

interface FlightCt {
  readonly state: 'new' | 'established' | 'related' | 'invalid'
  readonly direction: 'original' | 'reply'
  readonly original: Tuple5
  dnat: Endpoint | undefined
  snat: { readonly address: AddressValue | 'masquerade', readonly port: number | undefined } | undefined
  mark: number
}

const protocols = { tcp: 6, udp: 17, sctp: 132, icmp: 1, icmpv6: 58 } as const
const flagBits: Readonly<Record<string, number>> = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32, ecn: 64, cwr: 128 }

/** Starts a packet on its way. */
export function launch(packet: TracePacket): Flight {
  return {
    saddr: addressOf(packet.saddr), daddr: addressOf(packet.daddr), sport: packet.sport, dport: packet.dport, protocol: protocols[packet.protocol ?? 'tcp'],
    icmpType: packet.icmpType, icmpCode: packet.icmpCode, tcpFlags: (packet.tcpFlags ?? ['syn']).reduce((bits, word) => bits | (flagBits[word] ?? 0), 0),
    iif: packet.iif, oif: packet.oif, mark: packet.mark ?? 0, priority: 0, skuid: packet.skuid ?? 0, length: packet.length ?? 60, ct: undefined, untracked: false,
  }
}

/** An address as value. */
export function addressOf(address: AddressValue | string): AddressValue {
  if (typeof address !== 'string') return address
  const family = address.includes(':') ? 6 : 4
  const bits = addressBits(address, family)
  if (bits === undefined) throw new SyntaxError(`Cannot trace packet: "${address}" is no address`)
  return ipFromBits(family, bits)
}

/** The packet's own tuple. */
export function tupleOf(flight: Flight): Tuple5 {
  const { saddr, daddr, sport, dport, protocol } = flight
  return { saddr, daddr, sport, dport, protocol }
}

export function sameAddress(one: AddressValue, other: AddressValue): boolean {
  return one.family === other.family && one.bits === other.bits
}

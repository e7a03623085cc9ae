import type { DataTypeName } from './data-type.ts'
import type { Ct, CtKey, Expression, Fib, FibFlag, Jhash, Meta, MetaKey, Numgen, Payload, PayloadProtocol } from './expression.ts'

function payload(protocol: PayloadProtocol, base: Payload['base'], field: string, place: readonly [offset: number, bytes: number, type: DataTypeName]): Payload {
  return { kind: 'payload', protocol, field, base, offset: place[0], bytes: place[1], type: place[2] }
}

const ports = (protocol: 'th' | 'tcp' | 'udp' | 'sctp'): { readonly sport: Payload; readonly dport: Payload } => ({
  sport: payload(protocol, 'transport', 'sport', [0, 2, 'inet_service']),
  dport: payload(protocol, 'transport', 'dport', [2, 2, 'inet_service']),
})

/** Ethernet header, its type as on the wire: of a tagged frame the tag's. For bridge tables. */
export const ether: { readonly type: Payload } = { type: payload('ether', 'link', 'type', [12, 2, 'ether_type']) }

/** IPv4 header. RFC 791 §3.1. In an inet or bridge table a rule that uses it matches IPv4 packets only. */
export const ip: { readonly saddr: Payload; readonly daddr: Payload; readonly protocol: Payload; readonly ttl: Payload } = {
  saddr: payload('ip', 'network', 'saddr', [12, 4, 'ipv4_addr']),
  daddr: payload('ip', 'network', 'daddr', [16, 4, 'ipv4_addr']),
  protocol: payload('ip', 'network', 'protocol', [9, 1, 'inet_proto']),
  ttl: payload('ip', 'network', 'ttl', [8, 1, 'integer']),
}

/** IPv6 header. RFC 8200 §3. In an inet or bridge table a rule that uses it matches IPv6 packets only. */
export const ip6: { readonly saddr: Payload; readonly daddr: Payload; readonly nexthdr: Payload; readonly hoplimit: Payload } = {
  saddr: payload('ip6', 'network', 'saddr', [8, 16, 'ipv6_addr']),
  daddr: payload('ip6', 'network', 'daddr', [24, 16, 'ipv6_addr']),
  nexthdr: payload('ip6', 'network', 'nexthdr', [6, 1, 'inet_proto']),
  hoplimit: payload('ip6', 'network', 'hoplimit', [7, 1, 'integer']),
}

/** Ports of whatever transport the packet has; with `meta l4proto tcp` before it, nft prints `tcp dport`. */
export const th: { readonly sport: Payload; readonly dport: Payload } = ports('th')
/** TCP header; matches TCP packets only. RFC 9293 §3.1. */
export const tcp: { readonly sport: Payload; readonly dport: Payload; readonly flags: Payload } = { ...ports('tcp'), flags: payload('tcp', 'transport', 'flags', [13, 1, 'tcp_flag']) }
/** UDP header; matches UDP packets only. */
export const udp: { readonly sport: Payload; readonly dport: Payload } = ports('udp')
/** SCTP header; matches SCTP packets only. */
export const sctp: { readonly sport: Payload; readonly dport: Payload } = ports('sctp')
/** ICMP header; matches IPv4 ICMP packets only. */
export const icmp: { readonly type: Payload; readonly code: Payload } = {
  type: payload('icmp', 'transport', 'type', [0, 1, 'icmp_type']),
  code: payload('icmp', 'transport', 'code', [1, 1, 'icmp_code']),
}
/** ICMPv6 header; matches IPv6 ICMP packets only. */
export const icmpv6: { readonly type: Payload; readonly code: Payload } = {
  type: payload('icmpv6', 'transport', 'type', [0, 1, 'icmpv6_type']),
  code: payload('icmpv6', 'transport', 'code', [1, 1, 'icmpv6_code']),
}

const metaKey = (key: MetaKey): Meta => ({ kind: 'meta', key })

/** Packet metadata. `l4proto` is the transport protocol after IPv6 extension headers. */
export const meta: {
  readonly length: Meta; readonly protocol: Meta; readonly priority: Meta; readonly mark: Meta; readonly iif: Meta; readonly oif: Meta; readonly iifname: Meta
  readonly oifname: Meta; readonly skuid: Meta; readonly skgid: Meta; readonly nftrace: Meta; readonly nfproto: Meta; readonly l4proto: Meta; readonly pkttype: Meta
} = {
  length: metaKey('length'), protocol: metaKey('protocol'), priority: metaKey('priority'), mark: metaKey('mark'), iif: metaKey('iif'), oif: metaKey('oif'),
  iifname: metaKey('iifname'), oifname: metaKey('oifname'), skuid: metaKey('skuid'), skgid: metaKey('skgid'), nftrace: metaKey('nftrace'),
  nfproto: metaKey('nfproto'), l4proto: metaKey('l4proto'), pkttype: metaKey('pkttype'),
}

/** Fields of one direction of the connection. */
export interface CtTuple {
  readonly ipSaddr: Ct; readonly ipDaddr: Ct; readonly ip6Saddr: Ct; readonly ip6Daddr: Ct; readonly protoSrc: Ct; readonly protoDst: Ct
}

const ctKey = (key: CtKey, direction?: 'original' | 'reply'): Ct => (direction ? { kind: 'ct', key, direction } : { kind: 'ct', key })
const ctTuple = (direction: 'original' | 'reply'): CtTuple => ({
  ipSaddr: ctKey('ip saddr', direction), ipDaddr: ctKey('ip daddr', direction), ip6Saddr: ctKey('ip6 saddr', direction), ip6Daddr: ctKey('ip6 daddr', direction),
  protoSrc: ctKey('proto-src', direction), protoDst: ctKey('proto-dst', direction),
})

/** Conntrack. `original` and `reply` are the two tuples; their ports need `meta l4proto tcp` (or udp) before them in the rule. */
export const ct: { readonly state: Ct; readonly direction: Ct; readonly status: Ct; readonly mark: Ct; readonly zone: Ct; readonly protocol: Ct; readonly original: CtTuple; readonly reply: CtTuple } = {
  state: ctKey('state'), direction: ctKey('direction'), status: ctKey('status'), mark: ctKey('mark'), zone: ctKey('zone'), protocol: ctKey('protocol'),
  original: ctTuple('original'), reply: ctTuple('reply'),
}

/** A routing lookup of the packet's own addresses: `fib([saddr, iif], 'oif')` prints `fib saddr . iif oif`. */
export function fib(flags: readonly FibFlag[], result: Fib['result']): Fib {
  return { kind: 'fib', flags, result }
}

/** A number from `offset` to `offset + modulus - 1`. */
export function numgen(mode: Numgen['mode'], modulus: number, offset = 0): Numgen {
  return { kind: 'numgen', mode, modulus, offset }
}

/** A hash of `of`, from `offset` to `offset + modulus - 1`. Without a seed the kernel picks one at load. */
export function jhash(of: Expression, modulus: number, options: { readonly seed?: number; readonly offset?: number } = {}): Jhash {
  return { kind: 'jhash', of, modulus, seed: options.seed ?? 0, offset: options.offset ?? 0 }
}

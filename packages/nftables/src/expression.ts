import type { DataTypeName } from './data-type.ts'
import type { Scalar, Tuple } from './value.ts'

/** Header a payload field lies in; `th` is the transport header whatever its protocol. */
export type PayloadProtocol = 'ip' | 'ip6' | 'th' | 'tcp' | 'udp' | 'sctp' | 'icmp' | 'icmpv6' | 'ether'

/** A header field: `ip daddr`. */
export interface Payload {
  readonly kind: 'payload'
  readonly protocol: PayloadProtocol
  readonly field: string
  readonly base: 'link' | 'network' | 'transport'
  /** Bytes from the start of the header. */
  readonly offset: number
  readonly bytes: number
  readonly type: DataTypeName
}

/** Packet metadata: `meta mark`, `iifname`. */
export interface Meta {
  readonly kind: 'meta'
  readonly key: MetaKey
}

export type MetaKey =
  | 'length' | 'protocol' | 'priority' | 'mark' | 'iif' | 'oif' | 'iifname' | 'oifname' | 'iiftype' | 'oiftype' | 'skuid' | 'skgid' | 'nftrace'
  | 'nfproto' | 'l4proto' | 'pkttype'

/** Conntrack state of the packet: `ct state`, `ct original ip daddr`. */
export interface Ct {
  readonly kind: 'ct'
  readonly key: CtKey
  readonly direction?: 'original' | 'reply' | undefined
}

export type CtKey =
  | 'state' | 'direction' | 'status' | 'mark' | 'zone' | 'packets' | 'bytes' | 'ip saddr' | 'ip daddr' | 'ip6 saddr' | 'ip6 daddr' | 'proto-src' | 'proto-dst' | 'l3proto'
  | 'protocol'

/** A routing lookup: `fib saddr . iif oif`, `fib daddr type`. */
export interface Fib {
  readonly kind: 'fib'
  readonly flags: readonly FibFlag[]
  /** `oif` compares with `exists` and `missing` only. */
  readonly result: 'oif' | 'oifname' | 'type'
}

export type FibFlag = 'saddr' | 'daddr' | 'mark' | 'iif' | 'oif'

/** `numgen random mod 3 offset 1`. */
export interface Numgen {
  readonly kind: 'numgen'
  readonly mode: 'random' | 'inc'
  readonly modulus: number
  readonly offset: number
}

/** `jhash ip saddr mod 8 seed 0x1`. */
export interface Jhash {
  readonly kind: 'jhash'
  readonly of: Expression
  readonly modulus: number
  readonly seed: number
  readonly offset: number
}

/** `a . b`. */
export interface Concat {
  readonly kind: 'concat'
  readonly parts: readonly Expression[]
}

/** `(of & mask) ^ xor`; `|` is folded in as nft does. */
export interface Bits {
  readonly kind: 'bits'
  readonly of: Expression
  readonly mask: number
  readonly xor: number
}

/** `key map @name`. */
export interface Lookup {
  readonly kind: 'lookup'
  readonly key: Expression
  readonly map: string
  /** Types of the map's data, which the map's declaration also has. */
  readonly data: readonly DataTypeName[]
}

/** `key map { 0 : 1, 1 : 2 }`. */
export interface AnonymousMap {
  readonly kind: 'anonymous-map'
  readonly key: Expression
  readonly entries: readonly (readonly [key: Tuple, data: Tuple])[]
  readonly data: readonly DataTypeName[]
}

/** A value written in the rule; its type comes from where it stands. */
interface Constant {
  readonly kind: 'constant'
  readonly value: Scalar
}

/** What a rule can load into a register. Build it with `ip`, `meta`, `ct`, …; nothing here is ever text of a user. */
export type Expression = Payload | Meta | Ct | Fib | Numgen | Jhash | Concat | Bits | Lookup | AnonymousMap | Constant

const metaTypes: Record<MetaKey, DataTypeName> = {
  length: 'length32', protocol: 'ether_type', priority: 'classid', mark: 'mark', iif: 'iface_index', oif: 'iface_index', iifname: 'ifname', oifname: 'ifname',
  iiftype: 'iface_type', oiftype: 'iface_type', skuid: 'uid', skgid: 'gid', nftrace: 'boolean', nfproto: 'nf_proto', l4proto: 'inet_proto', pkttype: 'pkt_type',
}
const ctTypes: Record<CtKey, DataTypeName> = {
  state: 'ct_state', direction: 'ct_dir', status: 'ct_status', mark: 'mark', zone: 'ct_zone', packets: 'integer', bytes: 'integer', 'ip saddr': 'ipv4_addr',
  'ip daddr': 'ipv4_addr', 'ip6 saddr': 'ipv6_addr', 'ip6 daddr': 'ipv6_addr', 'proto-src': 'inet_service', 'proto-dst': 'inet_service', l3proto: 'nf_proto',
  protocol: 'inet_proto',
}

/** Types of an expression's parts, one for each slot of a concatenation; a constant has none of its own. */
export function typesOf(expression: Expression): readonly DataTypeName[] {
  switch (expression.kind) {
    case 'payload': return [expression.type]
    case 'meta': return [metaTypes[expression.key]]
    case 'ct': return [ctTypes[expression.key]]
    case 'fib': return [expression.result === 'type' ? 'fib_addrtype' : expression.result === 'oif' ? 'boolean' : 'ifname']
    case 'numgen': case 'jhash': return ['integer']
    case 'concat': return expression.parts.flatMap(typesOf)
    case 'bits': return typesOf(expression.of)
    case 'lookup': case 'anonymous-map': return expression.data
    case 'constant': return []
  }
}

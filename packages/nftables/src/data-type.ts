import { symbolTables } from './symbols.ts'

/** Byte order of a value in a register: addresses and ports as on the wire, the rest as the machine has it. */
type ByteOrder = 'big' | 'host'

/** How a number of a type is written. */
type Notation = 'ipv4' | 'ipv6' | 'decimal' | 'hex' | 'symbol' | 'bitmask' | 'string' | 'ether' | 'classid' | 'ifindex'

/** A scalar type of nftables: what a key part, a field or an assignment holds. */
export interface DataType {
  readonly name: DataTypeName
  /** Number in the type word of sets (`enum datatypes` of nftables' datatype.h). */
  readonly id: number
  readonly bytes: number
  readonly byteOrder: ByteOrder
  readonly notation: Notation
  /** Words for numbers, both ways. */
  readonly symbols: ReadonlyMap<string, number>
  readonly names: ReadonlyMap<number, string>
}

/** Names as `describe` and set declarations of nft spell them. */
export type DataTypeName =
  | 'nf_proto' | 'integer' | 'string' | 'ipv4_addr' | 'ipv6_addr' | 'ether_addr' | 'ether_type' | 'inet_proto' | 'inet_service'
  | 'icmp_type' | 'tcp_flag' | 'mark' | 'iface_index' | 'iface_type' | 'classid' | 'uid' | 'gid' | 'ct_state' | 'ct_dir' | 'ct_status'
  | 'icmpv6_type' | 'pkt_type' | 'icmp_code' | 'icmpv6_code' | 'fib_addrtype' | 'boolean' | 'ifname' | 'ct_zone' | 'port16' | 'length32'

function type(name: DataTypeName, id: number, bytes: number, byteOrder: ByteOrder, notation: Notation): DataType {
  const pairs = symbolTables[name] ?? []
  const names = new Map<number, string>()
  for (const [word, number] of pairs) if (!names.has(number)) names.set(number, word)
  return { name, id, bytes, byteOrder, notation, symbols: new Map(pairs), names }
}

/** Type numbers and sizes: nftables include/datatype.h and src/datatype.c. */
const all: readonly DataType[] = [
  type('nf_proto', 2, 1, 'host', 'symbol'),
  type('integer', 4, 4, 'host', 'decimal'),
  type('string', 5, 16, 'host', 'string'),
  type('ipv4_addr', 7, 4, 'big', 'ipv4'),
  type('ipv6_addr', 8, 16, 'big', 'ipv6'),
  type('ether_addr', 9, 6, 'big', 'ether'),
  type('ether_type', 10, 2, 'big', 'symbol'),
  type('inet_proto', 12, 1, 'big', 'symbol'),
  type('inet_service', 13, 2, 'big', 'decimal'),
  type('icmp_type', 14, 1, 'big', 'symbol'),
  type('tcp_flag', 15, 1, 'host', 'bitmask'),
  type('mark', 19, 4, 'host', 'hex'),
  type('iface_index', 20, 4, 'host', 'ifindex'),
  type('iface_type', 21, 2, 'host', 'symbol'),
  type('classid', 23, 4, 'host', 'classid'),
  type('uid', 24, 4, 'host', 'decimal'),
  type('gid', 25, 4, 'host', 'decimal'),
  type('ct_state', 26, 4, 'host', 'bitmask'),
  type('ct_dir', 27, 1, 'host', 'symbol'),
  type('ct_status', 28, 4, 'host', 'bitmask'),
  type('icmpv6_type', 29, 1, 'big', 'symbol'),
  type('pkt_type', 31, 1, 'host', 'symbol'),
  type('icmp_code', 32, 1, 'big', 'symbol'),
  type('icmpv6_code', 33, 1, 'big', 'symbol'),
  type('fib_addrtype', 38, 4, 'host', 'symbol'),
  type('boolean', 39, 1, 'host', 'symbol'),
  type('ifname', 41, 16, 'host', 'string'),
  // Integers of other sizes: nft calls all of them `integer`; they are never part of a declared key.
  type('ct_zone', 4, 2, 'host', 'decimal'),
  type('port16', 4, 2, 'big', 'decimal'),
  type('length32', 4, 4, 'host', 'decimal'),
]

const byName = new Map(all.map((entry) => [entry.name, entry]))
const byId = new Map(all.toReversed().map((entry) => [entry.id, entry]))
byId.set(4, byName.get('integer')!)

/** The type called `name`. */
export function dataType(name: DataTypeName): DataType {
  return byName.get(name)!
}

/** The type with nftables' number `id`, if it is one of ours. */
export function dataTypeById(id: number): DataType | undefined {
  return byId.get(id)
}

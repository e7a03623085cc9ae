import { atomOf } from '../atom.ts'
import { type DataTypeName, dataType } from '../data-type.ts'
import { elementKey } from '../element-encoder.ts'
import { type Ct, type Expression, type Fib, type Meta, type Payload, typesOf } from '../expression.ts'
import { keyTypes } from '../key-type.ts'
import { isVerdict } from '../format-table.ts'
import { type AddressValue, partsOf, type Tuple, type Value } from '../value.ts'
import type { MemoryElement, MemorySet, MemoryTable } from './memory-table.ts'
import type { Flight, Tuple5 } from './trace-packet.ts'

/** What the tracer's surroundings answer. */
export interface Surroundings {
  readonly table: MemoryTable
  readonly flight: Flight
  readonly hook: string
  /** A number from 0 to `modulus - 1`. */
  readonly random: (modulus: number) => number
  readonly fibType: (address: AddressValue, iif: string | undefined) => string
  readonly hasRoute: (address: AddressValue, iif: string | undefined) => boolean
  /** When: elements that packets made end after a while. */
  readonly nowMs: number
}

/** Value of an expression, one for each part; undefined where the kernel would end the rule. */
export function evaluate(expression: Expression, at: Surroundings, expected: readonly DataTypeName[] = []): readonly Value[] | undefined {
  switch (expression.kind) {
    case 'payload': return one(payload(expression, at.flight))
    case 'meta': return one(meta(expression, at))
    case 'ct': return one(ct(expression, at.flight))
    case 'fib': return one(fib(expression, at))
    case 'numgen': return [expression.offset + at.random(expression.modulus)]
    case 'jhash': {
      const key = evaluate(expression.of, at)
      return key === undefined ? undefined : [expression.offset + (hashOf(key) % expression.modulus)]
    }
    case 'concat': {
      const parts: Value[] = []
      for (const part of expression.parts) {
        const value = evaluate(part, at)
        if (value === undefined) return undefined
        parts.push(...value)
      }
      return parts
    }
    case 'bits': {
      const value = evaluate(expression.of, at)
      return value === undefined ? undefined : [((numberOf(typesOf(expression.of)[0]!, value[0]!) & expression.mask) ^ expression.xor) >>> 0]
    }
    case 'lookup': {
      const key = evaluate(expression.key, at)
      const set = at.table.sets.get(expression.map)
      const found = key === undefined || set === undefined ? undefined : find(set, key, at.nowMs)
      return dataOf(found)
    }
    case 'anonymous-map': {
      const key = evaluate(expression.key, at)
      const types = typesOf(expression.key)
      const entry = key === undefined ? undefined : expression.entries.find(([candidate]) => matches(types, candidate, key))
      return entry === undefined ? undefined : partsOf(entry[1])
    }
    case 'constant': return [expected.length === 0 ? expression.value : normal(expected[0]!, expression.value)]
  }
}

function one(value: Value | undefined): readonly Value[] | undefined {
  return value === undefined ? undefined : [value]
}

function payload({ protocol, field }: Payload, flight: Flight): Value | undefined {
  const isV4 = flight.saddr.family === 4
  switch (protocol) {
    case 'ip': case 'ip6':
      if ((protocol === 'ip') !== isV4) return undefined
      if (field === 'saddr') return flight.saddr
      if (field === 'daddr') return flight.daddr
      return field === 'protocol' || field === 'nexthdr' ? flight.protocol : 64
    case 'th': case 'tcp': case 'udp': case 'sctp':
      if (field === 'sport') return flight.sport
      if (field === 'dport') return flight.dport
      return flight.tcpFlags
    case 'icmp': return field === 'type' ? typed('icmp_type', flight.icmpType) : flight.icmpCode
    case 'icmpv6': return field === 'type' ? typed('icmpv6_type', flight.icmpType) : flight.icmpCode
    case 'ether': return undefined
  }
}

function typed(name: DataTypeName, value: Value | undefined): Value | undefined {
  return value === undefined ? undefined : normal(name, value)
}

function meta({ key }: Meta, { flight }: Surroundings): Value | undefined {
  switch (key) {
    case 'length': return flight.length
    case 'protocol': return flight.saddr.family === 4 ? 0x0800 : 0x86dd
    case 'priority': return flight.priority
    case 'mark': return flight.mark
    case 'iifname': return flight.iif
    case 'oifname': return flight.oif
    case 'skuid': case 'skgid': return flight.skuid
    case 'nfproto': return flight.saddr.family === 4 ? 2 : 10
    case 'l4proto': return flight.protocol
    case 'pkttype': return 0
    case 'iif': case 'oif': case 'iiftype': case 'oiftype': case 'nftrace': return undefined
  }
}

const states = { new: 8, established: 2, related: 4, invalid: 1 } as const

function ct({ key, direction }: Ct, flight: Flight): Value | undefined {
  const { ct: seen } = flight
  if (key === 'state') return seen === undefined ? (flight.untracked ? 64 : 1) : states[seen.state]
  if (seen === undefined) return undefined
  const tuple = direction === 'reply' ? replyOf(flight) : seen.original
  switch (key) {
    case 'direction': return seen.direction === 'original' ? 0 : 1
    case 'status': return (seen.state === 'new' ? 0 : 2) | (seen.snat ? 16 : 0) | (seen.dnat ? 32 : 0)
    case 'mark': return seen.mark
    case 'ip saddr': case 'ip6 saddr': return tuple.saddr.family === (key === 'ip saddr' ? 4 : 6) ? tuple.saddr : undefined
    case 'ip daddr': case 'ip6 daddr': return tuple.daddr.family === (key === 'ip daddr' ? 4 : 6) ? tuple.daddr : undefined
    case 'proto-src': return tuple.sport
    case 'proto-dst': return tuple.dport
    case 'protocol': return tuple.protocol
    case 'l3proto': return tuple.saddr.family === 4 ? 2 : 10
    case 'zone': return 0
    case 'packets': case 'bytes': return undefined
  }
}

function replyOf(flight: Flight): Tuple5 {
  const { original, dnat } = flight.ct!
  return { saddr: dnat?.address ?? original.daddr, daddr: original.saddr, sport: dnat?.port ?? original.dport, dport: original.sport, protocol: original.protocol }
}

function fib({ flags, result }: Fib, at: Surroundings): Value | undefined {
  const address = flags.includes('daddr') ? at.flight.daddr : at.flight.saddr
  const iif = flags.includes('iif') ? at.flight.iif : undefined
  if (result === 'type') return normal('fib_addrtype', at.fibType(address, iif))
  return result === 'oif' ? Number(at.hasRoute(address, iif)) : undefined
}

/** The element of a set that a key falls on. */
export function find(set: MemorySet, key: readonly Value[], nowMs: number): MemoryElement | undefined {
  const types = keyTypes(set.declaration.key)
  if (set.declaration.flags.includes('interval')) return [...set.elements.values()].find((element) => matches(types, element.key, key))
  const found = set.elements.get(elementKey(set.declaration, { key: key.length === 1 ? key[0]! : key }))
  return found?.endsMs !== undefined && found.endsMs <= nowMs ? undefined : found
}

/** True if every part of `key` lies in the same part of `candidate`. */
export function matches(types: readonly DataTypeName[], candidate: Tuple, key: readonly Value[]): boolean {
  return partsOf(candidate).every((part, index) => within(types[index] ?? 'integer', part, key[index]!))
}

/** True if `value` is `of`, or inside it where it is a span. */
export function within(name: DataTypeName, of: Value, value: Value): boolean {
  const type = dataType(name)
  const outer = atomOf(type, of)
  const inner = atomOf(type, value)
  if (outer.kind === 'text') return inner.kind === 'text' && (outer.wildcard ? inner.text.startsWith(outer.text) : inner.text === outer.text)
  return inner.kind === 'number' && inner.from >= outer.from && inner.from <= outer.to
}

/** A value as number of its type. */
export function numberOf(name: DataTypeName, value: Value): number {
  const atom = atomOf(dataType(name), value)
  return atom.kind === 'number' ? Number(atom.from) : 0
}

/** Words become numbers; addresses stay addresses. */
export function normal(name: DataTypeName, value: Value): Value {
  const type = dataType(name)
  if (typeof value !== 'string' || type.notation === 'string') return value
  const atom = atomOf(type, value)
  if (atom.kind === 'text') return value
  if (type.notation === 'ipv4' || type.notation === 'ipv6') return { family: type.notation === 'ipv4' ? 4 : 6, bits: atom.from }
  return Number(atom.from)
}

/** Plain data of an element; undefined for verdicts and elements of sets. */
function dataOf(element: MemoryElement | undefined): readonly Value[] | undefined {
  return element?.data === undefined || isVerdict(element.data) ? undefined : partsOf(element.data)
}

// Not the kernel's jhash, but as steady.
function hashOf(key: readonly Value[]): number {
  const text = JSON.stringify(key, (_, inner: unknown) => (typeof inner === 'bigint' ? inner.toString() : inner))
  let hash = 5381
  for (let i = 0; i < text.length; i++) hash = (hash * 33 + text.charCodeAt(i)) >>> 0
  return hash
}

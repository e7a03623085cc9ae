import { formatRule, isVerdict } from '../format-table.ts'
import { typesOf } from '../expression.ts'
import { flagBits } from '../format-statement.ts'
import { isExpression, resolveRule } from '../protocol-context.ts'
import type { Assignment, DynamicElement, Match, Nat, Statement, Verdict } from '../statement.ts'
import type { BaseChain, Hook, Rule, TableFamily } from '../table.ts'
import { elementKey } from '../element-encoder.ts'
import { type AddressValue, type Value } from '../value.ts'
import { evaluate, find, matches, normal, numberOf, type Surroundings, within } from './evaluate.ts'
import type { MemoryRule, MemoryTable } from './memory-table.ts'
import { addressOf, type Endpoint, type Flight, launch, sameAddress, type TraceConnection, type TracePacket, tupleOf } from './trace-packet.ts'

export type { TraceConnection, TracePacket } from './trace-packet.ts'

/** What surrounds a traced packet. */
export interface TraceOptions {
  /** Addresses of the node: what is sent to one of them goes to input, and `fib daddr type` is `local`. */
  readonly local?: readonly (AddressValue | string)[] | undefined
  /** Answers `fib saddr . iif oif`. @default every address has a route through every interface */
  readonly hasRoute?: ((address: AddressValue, iif: string | undefined) => boolean) | undefined
  /** Chooses for `numgen random`; must be below the modulus. @default always 0 */
  readonly random?: ((modulus: number) => number) | undefined
  /** An earlier packet's connection, which this packet belongs to. */
  readonly connection?: TraceConnection | undefined
  /** When the packet comes, in milliseconds: elements that packets made end after their timeout. @default 0 */
  readonly nowMs?: number | undefined
  /** Interface the packet leaves by, once routed. @default the packet's own `oif` */
  readonly route?: ((daddr: AddressValue) => string | undefined) | undefined
}

/** A rule that ran to its end, or a policy that decided. */
export interface TraceStep {
  readonly table: string
  readonly hook: Hook
  readonly chain: string
  /** The rule's text, or `policy drop`. */
  readonly rule: string
}

/** A rule that the packet came to. */
export interface AskedRule {
  readonly chain: string
  readonly rule: Rule
  /** Whether all of it matched. */
  readonly ran: boolean
}

/** What became of a packet. */
export interface Trace {
  readonly verdict: 'accept' | 'drop' | 'reject'
  /** Where it was dropped or rejected. */
  readonly by: TraceStep | undefined
  /** Where it went: delivered here, forwarded, or sent out. */
  readonly path: 'input' | 'forward' | 'output'
  /** The packet as it left the last hook. */
  readonly packet: { readonly saddr: AddressValue, readonly daddr: AddressValue, readonly sport: number | undefined, readonly dport: number | undefined, readonly mark: number }
  readonly dnat: Endpoint | undefined
  readonly snat: TraceConnection['snat']
  /** False after `notrack`. */
  readonly tracked: boolean
  /** What conntrack will remember; undefined if untracked or dropped. */
  readonly connection: TraceConnection | undefined
  readonly steps: readonly TraceStep[]
  /** Every rule the packet came to, those that did not match too, in that order. */
  readonly asked: readonly AskedRule[]
}

type Outcome = 'accept' | 'drop' | 'reject' | 'continue' | 'return'

// NF_IP_PRI_CONNTRACK: between raw and mangle.
const CONNTRACK = -200
// NF_IP_PRI_NAT_DST and NF_IP_PRI_NAT_SRC: where known translations happen.
const translations: Readonly<Record<Hook, number>> = { prerouting: -100, output: -100, input: 100, postrouting: 100, forward: Infinity, ingress: Infinity, egress: Infinity }
const families: Readonly<Record<4 | 6, readonly TableFamily[]>> = { 4: ['inet', 'ip'], 6: ['inet', 'ip6'] }

/** Runs a packet through the hooks of tables, by priority. */
export function tracePacket(tables: readonly MemoryTable[], packet: TracePacket, options: TraceOptions): Trace {
  return new Tracer(tables, packet, options).run()
}

class Tracer {
  readonly #tables: readonly MemoryTable[]
  readonly #options: TraceOptions
  readonly #flight: Flight
  readonly #state: TracePacket['ctState']
  readonly #local: readonly AddressValue[]
  readonly #steps: TraceStep[] = []
  readonly #asked: { chain: string, rule: Rule, ran: boolean }[] = []
  #by: TraceStep | undefined

  constructor(tables: readonly MemoryTable[], packet: TracePacket, options: TraceOptions) {
    this.#tables = tables
    this.#options = options
    this.#flight = launch(packet)
    this.#state = packet.ctState
    this.#local = (options.local ?? []).map(addressOf)
  }

  run(): Trace {
    const isOwn = this.#flight.iif === undefined
    let verdict = this.#hook(isOwn ? 'output' : 'prerouting')
    const path = isOwn ? 'output' : this.#isLocal(this.#flight.daddr) ? 'input' : 'forward'
    if (verdict === 'accept') {
      if (path === 'input') verdict = this.#hook('input')
      else {
        this.#flight.oif = this.#options.route?.(this.#flight.daddr) ?? this.#flight.oif
        if (path === 'forward') verdict = this.#hook('forward')
        if (verdict === 'accept') verdict = this.#hook('postrouting')
      }
    }
    const { saddr, daddr, sport, dport, mark, ct, untracked } = this.#flight
    return {
      verdict, by: verdict === 'accept' ? undefined : this.#by, path, packet: { saddr, daddr, sport, dport, mark }, dnat: ct?.dnat, snat: ct?.snat, tracked: !untracked,
      connection: ct === undefined || verdict !== 'accept' ? undefined : { original: ct.original, dnat: ct.dnat, snat: ct.snat, mark: ct.mark }, steps: this.#steps, asked: this.#asked,
    }
  }

  #hook(hook: Hook): 'accept' | 'drop' | 'reject' {
    const chains = this.#tables
      .filter(({ name }) => families[this.#flight.saddr.family].includes(name.family))
      .flatMap((table) => [...table.chains.values()].map(({ chain, rules }) => ({ table, chain, rules })))
      .flatMap((entry) => (entry.chain.base?.hook === hook ? [{ ...entry, base: entry.chain.base }] : []))
      .sort((a, b) => a.base.priority - b.base.priority)
    let isTracked = hook === 'input' || hook === 'forward' || hook === 'postrouting'
    let isTranslated = false
    const track = (): void => {
      if (!isTracked) this.#track()
      isTracked = true
    }
    for (const { table, chain, rules, base } of chains) {
      if (base.priority > CONNTRACK) track()
      if (!isTranslated && (base.type === 'nat' || base.priority > translations[hook])) {
        this.#translate(hook)
        isTranslated = true
      }
      if (base.type === 'nat' && !this.#mayTranslate(hook)) continue
      const verdict = this.#chain({ table, chain: chain.name, rules, base })
      if (verdict === 'drop' || verdict === 'reject') return verdict
    }
    track()
    if (!isTranslated) this.#translate(hook)
    return 'accept'
  }

  #track(): void {
    const flight = this.#flight
    if (flight.untracked) return
    const { connection } = this.#options
    const own = tupleOf(flight)
    const isOriginal = connection === undefined || (sameAddress(own.saddr, connection.original.saddr) && own.sport === connection.original.sport)
    flight.ct = {
      state: this.#state ?? (connection === undefined ? 'new' : 'established'), direction: isOriginal ? 'original' : 'reply', original: connection?.original ?? own,
      dnat: connection?.dnat, snat: connection?.snat, mark: connection?.mark ?? 0,
    }
  }

  // Known translations are applied without asking the rules.
  #translate(hook: Hook): void {
    const { ct } = this.#flight
    if (ct === undefined || this.#options.connection === undefined) return
    const isDestination = hook === 'prerouting' || hook === 'output'
    if (ct.direction === 'original') {
      if (isDestination && ct.dnat) this.#sendTo(ct.dnat)
      if (!isDestination && hook === 'postrouting' && ct.snat) this.#sendFrom(ct.snat)
    } else {
      if (isDestination && ct.snat) this.#sendTo({ address: ct.original.saddr, port: ct.original.sport })
      if (!isDestination && ct.dnat) {
        this.#flight.saddr = ct.original.daddr
        this.#flight.sport = ct.original.dport
      }
    }
  }

  #mayTranslate(hook: Hook): boolean {
    const { ct } = this.#flight
    if (ct === undefined || ct.state !== 'new') return false
    return hook === 'prerouting' || hook === 'output' ? ct.dnat === undefined : ct.snat === undefined
  }

  #chain(at: { readonly table: MemoryTable, readonly chain: string, readonly rules: readonly MemoryRule[], readonly base: BaseChain }): Outcome {
    const verdict = this.#rules(at)
    if (verdict !== 'continue' && verdict !== 'return') return verdict
    if (at.base.policy === 'drop') this.#by = this.#step(at, 'policy drop')
    return at.base.policy
  }

  #rules(at: { readonly table: MemoryTable, readonly chain: string, readonly rules: readonly MemoryRule[], readonly base: BaseChain }): Outcome {
    for (const rule of at.rules) {
      const asked = { chain: at.chain, rule: rule.rule, ran: false }
      const before = rule.hits
      this.#asked.push(asked)
      const verdict = this.#rule(at, rule)
      asked.ran = rule.hits > before
      if (verdict !== 'continue') return verdict
    }
    return 'continue'
  }

  #rule(at: { readonly table: MemoryTable, readonly chain: string, readonly base: BaseChain }, fake: MemoryRule): Outcome {
    const surroundings: Surroundings = {
      table: at.table, flight: this.#flight, hook: at.base.hook, random: (modulus) => this.#options.random?.(modulus) ?? 0,
      fibType: (address) => this.#typeOf(address), hasRoute: (address, iif) => this.#options.hasRoute?.(address, iif) ?? true, nowMs: this.#options.nowMs ?? 0,
    }
    for (const { statement, network, transport } of resolveRule(at.table.name.family, fake.rule)) {
      if (network !== undefined && (network === 'ip') !== (this.#flight.saddr.family === 4)) return 'continue'
      if (transport !== undefined && transport !== this.#flight.protocol) return 'continue'
      const result = this.#statement(at, surroundings, statement)
      if (result === 'break') return 'continue'
      if (result === 'next') continue
      fake.hits++
      const step = this.#step(at, formatRule(at.table.name.family, fake.rule))
      return this.#obey(at, result, step)
    }
    fake.hits++
    this.#step(at, formatRule(at.table.name.family, fake.rule))
    return 'continue'
  }

  #obey(at: { readonly table: MemoryTable, readonly base: BaseChain }, verdict: Verdict | 'reject', step: TraceStep): Outcome {
    const word = verdict === 'reject' ? verdict : verdict.verdict
    if (word === 'drop' || word === 'reject') this.#by = step
    if (verdict === 'reject' || verdict.chain === undefined) return word === 'jump' || word === 'goto' ? 'continue' : word
    const rules = at.table.chains.get(verdict.chain)?.rules ?? []
    const result = this.#rules({ ...at, chain: verdict.chain, rules })
    if (verdict.verdict === 'goto') return result === 'continue' ? 'return' : result
    return result === 'return' ? 'continue' : result
  }

  #statement(at: { readonly table: MemoryTable, readonly base: BaseChain }, around: Surroundings, statement: Statement): Verdict | 'reject' | 'break' | 'next' {
    switch (statement.kind) {
      case 'match': return compare(statement, around) ? 'next' : 'break'
      case 'flags': {
        const value = evaluate(statement.left, around)
        const name = typesOf(statement.left)[0]!
        return value !== undefined && (numberOf(name, value[0]!) & flagBits(name, statement.names)) !== 0 ? 'next' : 'break'
      }
      case 'membership': {
        const key = evaluate(statement.left, around)
        if (key === undefined) return 'break'
        const { set } = statement
        const types = typesOf(statement.left)
        const isMember = typeof set === 'string' ? find(at.table.sets.get(set)!, key, around.nowMs) !== undefined : set.some((element) => matches(types, element, key))
        return isMember === statement.negated ? 'break' : 'next'
      }
      case 'vmap': {
        const key = evaluate(statement.key, around)
        if (key === undefined) return 'break'
        const { map } = statement
        const types = typesOf(statement.key)
        const element = typeof map === 'string' ? find(at.table.sets.get(map)!, key, around.nowMs) : undefined
        const data = typeof map === 'string' ? element?.data : map.find(([candidate]) => matches(types, candidate, key))?.[1]
        if (data === undefined || !isVerdict(data)) return 'break'
        return data.verdict === 'continue' ? 'next' : data
      }
      case 'verdict': return statement.verdict === 'continue' ? 'next' : statement
      case 'nat': return this.#nat(around, statement)
      case 'masquerade':
        this.#setSource({ address: 'masquerade', port: undefined })
        return accepted
      case 'redirect':
        this.#setDestination({ address: this.#local.find(({ family }) => family === this.#flight.daddr.family) ?? this.#flight.daddr, port: statement.port })
        return accepted
      case 'set': return this.#assign(around, statement)
      case 'dynamic': return dynamic(around, statement)
      case 'named-counter': {
        const counter = at.table.counters.get(statement.name)!
        at.table.counters.set(statement.name, { ...counter, packets: counter.packets + 1n, bytes: counter.bytes + BigInt(this.#flight.length) })
        return 'next'
      }
      case 'reject': return 'reject'
      case 'notrack':
        this.#flight.untracked = true
        return 'next'
      case 'limit': return statement.over ? 'break' : 'next'
      case 'counter': case 'log': return 'next'
    }
  }

  #nat(around: Surroundings, statement: Nat): Verdict | 'break' {
    if (statement.family !== (this.#flight.saddr.family === 4 ? 'ip' : 'ip6')) return 'break'
    const name = statement.family === 'ip' ? 'ipv4_addr' : 'ipv6_addr'
    const value = isExpression(statement.address) ? evaluate(statement.address, around, [name]) : [firstOf(statement.address)]
    if (value === undefined) return 'break'
    const address = normal(name, value[0]!)
    if (typeof address !== 'object' || 'kind' in address) return 'break'
    const fixed = typeof statement.port === 'number' ? statement.port : statement.port?.from
    const port = value.length > 1 ? numberOf('inet_service', value[1]!) : fixed
    if (statement.type === 'dnat') this.#setDestination({ address, port })
    else this.#setSource({ address, port })
    return accepted
  }

  #setDestination(endpoint: Endpoint): void {
    this.#flight.ct!.dnat = endpoint
    this.#sendTo(endpoint)
  }

  #sendTo({ address, port }: Endpoint): void {
    this.#flight.daddr = address
    this.#flight.dport = port ?? this.#flight.dport
  }

  #setSource(snat: NonNullable<TraceConnection['snat']>): void {
    this.#flight.ct!.snat = snat
    this.#sendFrom(snat)
  }

  #sendFrom({ address, port }: NonNullable<TraceConnection['snat']>): void {
    const masqueraded = this.#local.find(({ family }) => family === this.#flight.saddr.family)
    this.#flight.saddr = address === 'masquerade' ? (masqueraded ?? this.#flight.saddr) : address
    this.#flight.sport = port ?? this.#flight.sport
  }

  #assign(around: Surroundings, { target, value }: Assignment): 'next' | 'break' {
    const types = typesOf(target)
    const result = evaluate(value, around, types)
    if (result === undefined) return 'break'
    const flight = this.#flight
    const number = (): number => numberOf(types[0]!, result[0]!)
    if (target.kind === 'meta') {
      if (target.key === 'mark') flight.mark = number()
      if (target.key === 'priority') flight.priority = number()
    } else if (target.kind === 'ct') {
      if (flight.ct === undefined) return 'break'
      if (target.key === 'mark') flight.ct.mark = number()
    } else if (target.field === 'dport') flight.dport = number()
    else if (target.field === 'sport') flight.sport = number()
    else {
      const address = normal(types[0]!, result[0]!)
      if (typeof address !== 'object' || 'kind' in address) return 'break'
      if (target.field === 'saddr') flight.saddr = address
      if (target.field === 'daddr') flight.daddr = address
    }
    return 'next'
  }

  #step(at: { readonly table: MemoryTable, readonly chain?: string, readonly base: BaseChain }, rule: string): TraceStep {
    const step = { table: at.table.name.name, hook: at.base.hook, chain: at.chain ?? '', rule }
    this.#steps.push(step)
    return step
  }

  #isLocal(address: AddressValue): boolean {
    return this.#local.some((own) => sameAddress(own, address)) || isLoopback(address)
  }

  #typeOf(address: AddressValue): string {
    if (this.#isLocal(address)) return 'local'
    const top = Number(address.bits >> (address.family === 4 ? 24n : 120n))
    if (address.family === 4 ? top >= 224 && top < 240 : top === 255) return 'multicast'
    return address.family === 4 && address.bits === 0xffffffffn ? 'broadcast' : 'unicast'
  }
}

const accepted: Verdict = { kind: 'verdict', verdict: 'accept' }

function isLoopback(address: AddressValue): boolean {
  return address.family === 4 ? address.bits >> 24n === 127n : address.bits === 1n
}

function firstOf(value: Value): Value {
  return typeof value === 'object' && 'kind' in value ? value.from : value
}

function compare({ left, op, right }: Match, around: Surroundings): boolean {
  const value = evaluate(left, around)
  if (value === undefined) return false
  const name = typesOf(left)[0] ?? 'integer'
  switch (op) {
    case '==': return within(name, right, value[0]!)
    case '!=': return !within(name, right, value[0]!)
    case '<': return numberOf(name, value[0]!) < numberOf(name, right)
    case '<=': return numberOf(name, value[0]!) <= numberOf(name, right)
    case '>': return numberOf(name, value[0]!) > numberOf(name, right)
    case '>=': return numberOf(name, value[0]!) >= numberOf(name, right)
  }
}

function dynamic(around: Surroundings, { operation, set: name, key, timeoutMs, data }: DynamicElement): 'next' | 'break' {
  const set = around.table.sets.get(name)!
  const parts = evaluate(key, around)
  const value = data === undefined ? undefined : evaluate(data, around)
  if (parts === undefined || (data !== undefined && value === undefined)) return 'break'
  const element = {
    key: parts.length === 1 ? parts[0]! : parts, ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(value === undefined ? {} : { data: value.length === 1 ? value[0]! : value }),
  }
  const at = elementKey(set.declaration, element)
  const old = find(set, parts, around.nowMs)
  if (old === undefined || operation === 'delete') set.elements.delete(at)
  if (operation === 'delete') return 'next'
  if (old !== undefined && operation === 'add') return 'next'
  // As in the kernel: a set that is full ends the rule, and an update leaves the data as they are.
  if (old === undefined && set.declaration.size !== undefined && set.elements.size >= set.declaration.size) return 'break'
  const lifeMs = timeoutMs ?? set.declaration.timeoutMs
  set.elements.set(at, { ...(old ?? element), ...(lifeMs === undefined ? {} : { endsMs: around.nowMs + lifeMs }) })
  return 'next'
}


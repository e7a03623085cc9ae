import { dataType } from './data-type.ts'
import { type Expression, type Payload, type PayloadProtocol, typesOf } from './expression.ts'
import { NftError } from './nft-error.ts'
import type { Match, Statement } from './statement.ts'
import type { Rule, TableFamily } from './table.ts'
import { partsOf } from './value.ts'

/** A statement, and the protocol matches the kernel must make before it although nft does not print them. */
export interface ResolvedStatement {
  readonly statement: Statement
  /** `meta nfproto` to match first. */
  readonly network?: 'ip' | 'ip6' | undefined
  /** `meta l4proto` number to match first. */
  readonly transport?: number | undefined
}

const transportNumbers: Partial<Record<PayloadProtocol, number>> = { tcp: 6, udp: 17, sctp: 132, icmp: 1, icmpv6: 58 }
const portProtocols: ReadonlyMap<number, 'tcp' | 'udp' | 'sctp'> = new Map([[6, 'tcp'], [17, 'udp'], [132, 'sctp']])

interface Context {
  network: 'ip' | 'ip6' | undefined
  transport: number | undefined
  /** Index in the output of the explicit match that set it, while nothing has used it up. */
  networkMatch: number | undefined
  transportMatch: number | undefined
}

/**
 * Brings a rule to the form nft prints: a `meta l4proto tcp` that a later `th dport` depends on becomes `tcp dport`, a `meta nfproto ipv4` before `ip daddr`
 * goes away, and each statement knows which of the two it needs matched first.
 *
 * @throws {NftError} `ERR_NFT_TYPE_MISMATCH` if a rule asks for two network or transport protocols at once.
 */
export function resolveRule(family: TableFamily, rule: Rule): readonly ResolvedStatement[] {
  const own = family === 'ip' || family === 'ip6' ? family : undefined
  const context: Context = { network: own, transport: undefined, networkMatch: undefined, transportMatch: undefined }
  const out: (ResolvedStatement | undefined)[] = []
  for (const statement of rule.statements) {
    const needs: { network?: 'ip' | 'ip6'; transport?: number } = {}
    const resolved = mapExpressions(foldSingle(statement), (payload) => resolvePayload(payload, context, out, needs))
    if (resolved.kind === 'match') impliedNetwork(resolved, context, out, needs)
    const at = out.push({ statement: resolved, ...needs }) - 1
    if (resolved.kind === 'match') noteMatch(resolved, context, at)
    else if (resolved.kind !== 'flags' && resolved.kind !== 'membership' && resolved.kind !== 'vmap') {
      // What has an effect happens after the matches before it: nft leaves those in their place.
      context.networkMatch = undefined
      context.transportMatch = undefined
    }
  }
  return out.filter((entry) => entry !== undefined)
}

// nft folds a set of one into a plain match; of bits, into a test of that bit.
function foldSingle(statement: Statement): Statement {
  if (statement.kind !== 'membership' || typeof statement.set === 'string' || statement.set.length !== 1) return statement
  const [type, ...others] = typesOf(statement.left)
  if (type === undefined || others.length > 0) return statement
  const [right] = partsOf(statement.set[0]!)
  if (dataType(type).notation === 'bitmask' && !statement.negated && typeof right === 'string') return { kind: 'flags', left: statement.left, names: [right] }
  return { kind: 'match', left: statement.left, op: statement.negated ? '!=' : '==', right: right! }
}

function noteMatch(match: Match, context: Context, at: number): void {
  if (match.op !== '==') return
  if (match.left.kind === 'payload' && (match.left.field === 'protocol' || match.left.field === 'nexthdr')) {
    context.transport ??= transportOf(match.right)
    return
  }
  if (match.left.kind !== 'meta') return
  if (match.left.key === 'nfproto') {
    const network = match.right === 'ipv4' || match.right === 2 ? 'ip' : match.right === 'ipv6' || match.right === 10 ? 'ip6' : undefined
    if (network === undefined) return
    context.network = network
    context.networkMatch = at
  }
  if (match.left.key === 'l4proto') {
    const transport = transportOf(match.right)
    if (transport === undefined) return
    context.transport = transport
    context.transportMatch = at
  }
}

// nft does not print `meta nfproto ipv6` before `meta l4proto ipv6-icmp`, nor `ipv4` before `icmp`. The kernel still gets both.
function impliedNetwork(match: Match, context: Context, out: (ResolvedStatement | undefined)[], needs: { network?: 'ip' | 'ip6' }): void {
  if (match.op !== '==' || match.left.kind !== 'meta' || match.left.key !== 'l4proto' || context.networkMatch === undefined) return
  const transport = transportOf(match.right)
  const implied = transport === 1 ? 'ip' : transport === 58 ? 'ip6' : undefined
  if (implied === context.network && implied !== undefined) useNetwork(implied, context, out, needs)
}

function transportOf(value: Match['right']): number | undefined {
  return typeof value === 'number' ? value : typeof value === 'string' ? dataType('inet_proto').symbols.get(value) : undefined
}

function resolvePayload(payload: Payload, context: Context, out: (ResolvedStatement | undefined)[], needs: { network?: 'ip' | 'ip6'; transport?: number }): Payload {
  if (payload.protocol === 'ip' || payload.protocol === 'ip6') {
    useNetwork(payload.protocol, context, out, needs)
    return payload
  }
  if (payload.protocol === 'icmp' || payload.protocol === 'icmpv6') useNetwork(payload.protocol === 'icmp' ? 'ip' : 'ip6', context, out, needs)
  const wanted = transportNumbers[payload.protocol]
  if (payload.protocol === 'th') {
    const known = context.transport === undefined ? undefined : portProtocols.get(context.transport)
    if (known === undefined) return payload
    useTransport(context.transport!, context, out, needs)
    return { ...payload, protocol: known }
  }
  if (wanted !== undefined) useTransport(wanted, context, out, needs)
  return payload
}

function useNetwork(network: 'ip' | 'ip6', context: Context, out: (ResolvedStatement | undefined)[], needs: { network?: 'ip' | 'ip6' }): void {
  if (context.network === undefined) needs.network = network
  else if (context.network !== network) throw conflict(context.network, network)
  else if (context.networkMatch !== undefined) {
    out[context.networkMatch] = undefined
    needs.network = network
  }
  context.network = network
  context.networkMatch = undefined
}

function useTransport(transport: number, context: Context, out: (ResolvedStatement | undefined)[], needs: { transport?: number }): void {
  if (context.transport === undefined) needs.transport = transport
  else if (context.transport !== transport) throw conflict(`protocol ${context.transport}`, `protocol ${transport}`)
  else if (context.transportMatch !== undefined) {
    out[context.transportMatch] = undefined
    needs.transport = transport
  }
  context.transport = transport
  context.transportMatch = undefined
}

function conflict(one: string, other: string): NftError {
  return new NftError('ERR_NFT_TYPE_MISMATCH', `Cannot match rule "${one} and ${other}": a packet has one of them, make it two rules`)
}

/** Replaces every payload field of a statement. */
function mapExpressions(statement: Statement, change: (payload: Payload) => Payload): Statement {
  const expression = (of: Expression): Expression => mapPayloads(of, change)
  switch (statement.kind) {
    case 'match': case 'flags': case 'membership': return { ...statement, left: expression(statement.left) }
    case 'vmap': return { ...statement, key: expression(statement.key) }
    case 'nat': return isExpression(statement.address) ? { ...statement, address: expression(statement.address) } : statement
    case 'set': return { ...statement, value: expression(statement.value), target: statement.target.kind === 'payload' ? change(statement.target) : statement.target }
    case 'dynamic': {
      const key = expression(statement.key)
      return statement.data === undefined ? { ...statement, key } : { ...statement, key, data: expression(statement.data) }
    }
    case 'verdict': case 'masquerade': case 'redirect': case 'counter': case 'named-counter': case 'log': case 'reject': case 'limit': case 'notrack':
      return statement
  }
}

function mapPayloads(expression: Expression, change: (payload: Payload) => Payload): Expression {
  switch (expression.kind) {
    case 'payload': return change(expression)
    case 'concat': return { ...expression, parts: expression.parts.map((part) => mapPayloads(part, change)) }
    case 'bits': case 'jhash': return { ...expression, of: mapPayloads(expression.of, change) }
    case 'lookup': case 'anonymous-map': return { ...expression, key: mapPayloads(expression.key, change) }
    case 'meta': case 'ct': case 'fib': case 'numgen': case 'constant': return expression
  }
}

/** Tells an expression from a plain value. */
export function isExpression(of: unknown): of is Expression {
  return typeof of === 'object' && of !== null && 'kind' in of && of.kind !== 'range'
}

import { loopbackStandIns, priorities, tables } from '@weft/api'
import { type Cidr, type IpAddress, isLoopback, parseIp } from '@weft/ip'
import {
  accept, assign, baseChain, bitAnd, type Chain, chain, concat, ct, deleteFrom, dnat, drop, eq, type Expression, fib, goTo, hasAny, ip, ip6, isIn, jump, lookup, type MapElement, meta, ne, notIn, notrack, numgen, oneOf, reject, type Rule, rule, set, type MapDeclaration, type Statement,
  type SetDeclaration, snat, th, type Table, table, udp, updateIn, vmap,
} from '@weft/nftables'
import { portMask } from './affinity.ts'
import type { NodeModel } from './model.ts'
import { dropCode, localFlag, type Pick, pickOf } from './pick.ts'
import { families, type Family, sets } from './sets.ts'

const header = { 4: ip, 6: ip6 } as const
const nat = { 4: 'ip', 6: 'ip6' } as const
/** Transport protocols Services have. */
const transports = ['tcp', 'udp', 'sctp'] as const
const dnsPort = 53
/** Source of what this machine sends to itself, and what stands in for it. */
const own = { 4: parseIp('127.0.0.1'), 6: parseIp('::1') } as const
const standIn = { 4: parseIp(loopbackStandIns.ipv4), 6: parseIp(loopbackStandIns.ipv6) } as const

/** Name of the chain that picks one of several backends: `lb4-3`, `local4-2` for those on this node, `lb4-3-10800s` with session affinity. */
export function pickChainName(family: Family, { count, local, seconds }: Pick): string {
  return `${local ? 'local' : 'lb'}${family}-${count}${seconds === undefined ? '' : `-${seconds}s`}`
}

/**
 * The chain that spreads new connections over several backends. A packet may see a number of a moment ago and backends of now: it is dropped, and sent again it
 * chooses anew. It must not fall out of here: from `goto` it would go on untranslated, and its connection with it.
 */
export function pickChain(family: Family, pick: Pick): Chain {
  const { count, local, seconds } = pick
  const { daddr } = header[family]
  const index = local ? numgen('random', count, localFlag) : numgen('random', count)
  const key = concat(daddr, meta.l4proto, th.dport, index)
  const name = pickChainName(family, pick)
  if (seconds === undefined) return chain(name, [rule(assign(meta.priority, 0), dnat({ family: nat[family], to: lookup(key, sets[family].endpoint) })), rule(drop)])
  return chain(name, [...stickyRules(family, { key, local, seconds }), rule(drop)])
}

/**
 * The backend this client had last, as long as it is one; else another, which is remembered; else, where no more can be remembered, another all the same.
 * A lookup that fails ends its rule. The priority is back at 0 in `unknown`, after DNAT.
 */
function stickyRules(family: Family, { key, local, seconds }: { readonly key: Expression, readonly local: boolean, readonly seconds: number }): readonly Rule[] {
  const { saddr, daddr } = header[family]
  const { affinity, affinityPort, choice, slot, localSlot } = sets[family]
  const toBackend = dnat({ family: nat[family], to: lookup(concat(daddr, meta.l4proto, th.dport, meta.priority), local ? localSlot : slot) })
  const client = concat(bitAnd(meta.priority, portMask), saddr)
  const remember = updateIn(affinity, client, { timeoutMs: seconds * 1000, data: meta.priority })
  const choose = assign(meta.priority, lookup(key, choice))
  const isTransport = oneOf(meta.l4proto, transports)
  return [
    rule(isTransport, assign(meta.priority, lookup(portOf(family), affinityPort)), assign(meta.priority, lookup(concat(meta.priority, saddr), affinity)), remember, toBackend),
    // An update leaves the data of an element that is there as they are.
    rule(isTransport, choose, deleteFrom(affinity, client, { data: meta.priority }), remember, toBackend),
    rule(isTransport, choose, toBackend),
  ]
}

/** What a code leads to. */
export function pickElement(family: Family, code: number): MapElement {
  const pick = pickOf(code)
  return { key: [code], data: pick !== undefined ? goTo(pickChainName(family, pick)) : code === dropCode ? drop : goTo('refused') }
}

/** Which layout the table has; to be raised with every change of its sets, chains or the meaning of numbers in them. */
export const layout = 5

/** What `nft list` shows of it, and what a start finds: whatever the version, one transaction of what differs leads to this one. */
export const layoutSet: SetDeclaration = set('layout', { key: ['inet_service'], elements: [{ key: layout }] })

/** What the chains depend on: this node's addresses, and what is in use. Never on how many Services there are. */
export interface TableContext {
  readonly node: NodeModel
  readonly codes: Readonly<Record<Family, readonly number[]>>
  /** Whether a DNS server on this node answers for the DNS Service. */
  readonly hasDns: boolean
}

/** The whole table around the elements. */
export function proxyTable({ node, codes, hasDns }: TableContext, filled: { readonly sets: readonly SetDeclaration[], readonly maps: readonly MapDeclaration[] }): Table {
  return table({
    name: tables.proxy,
    maps: filled.maps,
    sets: [layoutSet, ...filled.sets],
    chains: [
      ...families.flatMap((family) => codes[family].flatMap((code) => pickOf(code) ?? []).map((pick) => pickChain(family, pick))),
      // Clients on this node pass on to `checked`, which sets the priority anew: whatever is in `local` is also there.
      chain('from-outside', families.map((family) =>
        rule(assign(meta.priority, lookup(portOf(family), sets[family].local)), notIn(header[family].saddr, sets[family].near), vmap(meta.priority, sets[family].pick)))),
      chain('checked', families.map((family) => rule(assign(meta.priority, lookup(portOf(family), sets[family].checked)), vmap(meta.priority, sets[family].pick)))),
      chain('check-own', [rule(jump('guard')), rule(jump('checked'))]),
      chain('check-others', [rule(jump('guard')), rule(jump('from-outside')), rule(jump('checked'))]),
      // Untranslated, the packet of a connection through a Service is a stranger's to either end, and answered by a reset (SVC-28).
      chain('invalid', families.flatMap((family) => [
        rule(isIn(header[family].saddr, sets[family].cluster), drop),
        rule(isIn(header[family].daddr, sets[family].vip), drop),
        rule(isIn(header[family].daddr, sets[family].range), drop),
      ])),
      // No connection is left behind: a packet that is refused was never confirmed (SVC-96).
      chain('refused', [rule(eq(meta.l4proto, 'tcp'), reject('tcp reset')), rule(reject())]),
      chain('guard', families.map((family) =>
        rule(isIn(portOf(family), sets[family].guarded), notIn(concat(header[family].daddr, meta.l4proto, th.dport, header[family].saddr), sets[family].allowed), drop))),
      ...(hasDns ? dnsChains() : []),
      // Only the first packet of a connection comes here, so source ranges and refusals cost the others nothing. Before routing, so that no route to the service
      // range is needed to be refused.
      baseChain('prerouting', { type: 'nat', hook: 'prerouting', priority: priorities.serviceDnat }, dispatch('check-others')),
      baseChain('output', { type: 'nat', hook: 'output', priority: priorities.serviceDnat }, dispatch('check-own')),
      ...(hasAffinity(codes) ? affinityChains() : []),
      baseChain('invalid-forward', { type: 'filter', hook: 'forward', priority: priorities.serviceInvalid }, [rule(hasAny(ct.state, 'invalid'), jump('invalid'))]),
      ...(node.nodePortIps.some(isLoopback) ? loopbackChains() : []),
      ...node.ips.map(({ family }, index) => chain(`cluster-source${family}`, [rule(notIn(header[family].saddr, sets[family].cluster), toNode(node.ips[index]!))])),
      chain('source', [...node.podRanges.map(shortcut), ...node.ips.flatMap(sourceRules)]),
      baseChain('postrouting', { type: 'nat', hook: 'postrouting', priority: priorities.serviceSnat }, [rule(hasAny(ct.status, 'dnat'), jump('source'))]),
    ],
  })
}

/**
 * What is most asked for comes first, and costs one lookup; a connection that is no Service's costs four.
 *
 * @param check The chain for ports whose clients are looked at.
 */
function dispatch(check: string): readonly Rule[] {
  return [
    ...families.map((family) => rule(assign(meta.priority, lookup(portOf(family), sets[family].service)), vmap(meta.priority, sets[family].pick))),
    // Nobody comes back from there. The number is read anew at its end, for `local` may have written over it.
    ...families.map((family) => rule(assign(meta.priority, lookup(portOf(family), sets[family].checked)), goTo(check))),
    // A port that nobody has, of a cluster IP; then an address in the range of cluster IPs that is no Service's.
    ...families.map((family) => rule(isIn(header[family].daddr, sets[family].vip), goTo('refused'))),
    ...families.map((family) => rule(isIn(header[family].daddr, sets[family].range), drop)),
  ]
}

/** Chains that there are while a DNS server on this node answers for the DNS Service: every packet passes them. */
export function dnsChains(): readonly Chain[] {
  return [
    chain('dns-request', families.map(dnsRequest)),
    chain('dns-reply', families.map(dnsReply)),
    baseChain('dns-prerouting', { type: 'filter', hook: 'prerouting', priority: priorities.raw }, [rule(eq(udp.dport, dnsPort), jump('dns-request'))]),
    // `route`: a rewritten destination must be routed anew. Requests of this node itself, and answers of its DNS server.
    baseChain('dns-output', { type: 'route', hook: 'output', priority: priorities.raw }, [rule(eq(udp.dport, dnsPort), jump('dns-request')), rule(eq(meta.l4proto, 'udp'), jump('dns-reply'))]),
  ]
}

/** Whether clients come back to their backends by some of these codes. */
export function hasAffinity(codes: TableContext['codes']): boolean {
  return families.some((family) => codes[family].some((code) => pickOf(code)?.seconds !== undefined))
}

/** Chains that there are while some port has session affinity: every packet passes them. */
export function affinityChains(): readonly Chain[] {
  return (['prerouting', 'output'] as const).map((hook) => baseChain(`affinity-${hook}`, { type: 'filter', hook, priority: priorities.serviceAffinity }, families.map(forgetBackend)))
}

/** What the choice with session affinity left in the priority. */
function forgetBackend(family: Family): Rule {
  return rule(hasAny(ct.state, 'new'), hasAny(ct.status, 'dnat'), oneOf(meta.l4proto, transports), assign(meta.priority, lookup(concat(originalAddress(family), meta.l4proto, ct.original.protoDst), sets[family].affinityPort)), assign(meta.priority, 0))
}

function originalAddress(family: Family): Expression {
  return family === 4 ? ct.original.ipDaddr : ct.original.ip6Daddr
}

function portOf(family: Family): ReturnType<typeof concat> {
  return concat(header[family].daddr, meta.l4proto, th.dport)
}

/**
 * A loopback address must not leave the machine, so another one of this machine stands in for it from before conntrack until the answer is at its
 * socket. Every packet passes here: conntrack knows the stand-in alone. `route`: the new source counts in routing.
 */
function loopbackChains(): readonly Chain[] {
  return [
    baseChain('loopback-output', { type: 'route', hook: 'output', priority: priorities.loopbackSource }, families.map((family) =>
      rule(eq(header[family].saddr, own[family]), isIn(portOf(family), sets[family].loopback), assign(header[family].saddr, standIn[family])))),
    baseChain('loopback-input', { type: 'filter', hook: 'input', priority: priorities.loopbackReply }, families.map((family) =>
      rule(eq(header[family].daddr, standIn[family]), eq(header[family].saddr, own[family]), assign(header[family].daddr, own[family])))),
  ]
}

/** New connections whose answers would miss this node get its address; the client's own is kept wherever possible. All of them were translated. */
function sourceRules(address: IpAddress): readonly Rule[] {
  const { family } = address
  const { saddr, daddr } = header[family]
  const original = originalAddress(family)
  const port = concat(original, meta.l4proto, ct.original.protoDst)
  return [
    rule(isIn(concat(saddr, daddr), sets[family].hairpin), toNode(address)),
    rule(isIn(original, sets[family].vip), goTo(`cluster-source${family}`)),
    rule(oneOf(meta.l4proto, transports), isIn(port, sets[family].public), toNode(address)),
    rule(oneOf(meta.l4proto, transports), isIn(port, sets[family].kept), eq(fib(['saddr'], 'type'), 'local'), ne(saddr, address), toNode(address)),
  ]
}

/**
 * A pod of this node asked a cluster IP and got a backend of another, as most do in a large cluster. It is in `cluster` and meets not itself, which the
 * addresses alone tell, so that two lookups of {@link sourceRules} are saved.
 */
function shortcut(pods: Cidr): Rule {
  const { family } = pods
  const { saddr, daddr } = header[family]
  return rule(eq(saddr, pods), ne(daddr, pods), isIn(originalAddress(family), sets[family].vip), accept)
}

function toNode(address: IpAddress): Statement {
  return snat({ family: nat[address.family], to: address, flags: ['fully-random'] })
}

/** No conntrack entry, so no insertion race of A and AAAA on one socket, and no entry per query. A failed lookup ends the rule before it did anything. */
function dnsRequest(family: Family): Rule {
  const { saddr, daddr } = header[family]
  const { near, dnsPort: port, dnsServer } = sets[family]
  return rule(isIn(saddr, near), assign(udp.dport, lookup(daddr, port)), notrack, assign(daddr, lookup(daddr, dnsServer)))
}

/** Only to clients whose request was rewritten here: others asked through the DNAT of their own node, which expects the server's address. */
function dnsReply(family: Family): Rule {
  const { saddr, daddr } = header[family]
  const { near, dnsVip } = sets[family]
  return rule(isIn(daddr, near), assign(saddr, lookup(concat(saddr, udp.sport), dnsVip)), notrack, assign(udp.sport, dnsPort))
}

import { priorities, tables } from '@weft/api'
import {
  assign, baseChain, type Chain, chain, concat, ct, dnat, type DataTypeName, drop, eq, goTo, hasAny, ip, ip6, isIn, jump, lookup, map, type MapDeclaration, meta, notIn, notrack, numgen, oneOf, reject,
  type Rule, rule, set, type SetDeclaration, snat, th, type Table, table, typeOf, udp, vmap,
} from '@weft/nftables'
import type { LocalDns, NodeModel } from './model.ts'

export type Family = 4 | 6

/** Names of everything that exists once per family: `service4`, `endpoint6`. */
export interface FamilySets {
  /** address . protocol . port -> number of backends. */
  readonly service: MapDeclaration
  /** address . protocol . port . index -> backend. */
  readonly endpoint: MapDeclaration
  /** number of backends -> the chain that picks one of so many. */
  readonly pick: MapDeclaration
  /** Cluster addresses: what no backend took is refused. */
  readonly vip: SetDeclaration
  /** A pod of this node as client and backend at once. */
  readonly hairpin: SetDeclaration
  /** Node port addresses of this node. */
  readonly node: SetDeclaration
  /** Pods and nodes: clients that are reached without NAT. */
  readonly cluster: SetDeclaration
  /** Ranges of cluster IPs. */
  readonly range: SetDeclaration
}

const header = { 4: ip, 6: ip6 } as const
const nat = { 4: 'ip', 6: 'ip6' } as const
const addressType = { 4: 'ipv4_addr', 6: 'ipv6_addr' } as const
/** Transport protocols Services have. */
const transports = ['tcp', 'udp', 'sctp'] as const

/** Declarations without elements; the same for every node and cluster. */
export const sets: Readonly<Record<Family, FamilySets>> = { 4: declare(4), 6: declare(6) }

function declare(family: Family): FamilySets {
  const address: DataTypeName = addressType[family]
  const { daddr } = header[family]
  return {
    // The count travels as skb priority (`classid`), not as a mark: marks belong to everybody, and forwarding sets the
    // priority anew from TOS anyway. It is back at 0 before the packet leaves our chains.
    service: map(`service${family}`, { key: [address, 'inet_proto', 'inet_service'], data: ['classid'] }),
    endpoint: map(`endpoint${family}`, { key: typeOf(daddr, meta.l4proto, th.dport, numgen('random', 1)), data: [address, 'inet_service'] }),
    pick: map(`pick${family}`, { key: ['classid'], data: 'verdict' }),
    vip: set(`vip${family}`, { key: [address] }),
    hairpin: set(`hairpin${family}`, { key: [address, address] }),
    node: set(`node${family}`, { key: [address] }),
    cluster: set(`cluster${family}`, { key: [address], flags: ['interval'] }),
    range: set(`range${family}`, { key: [address], flags: ['interval'] }),
  }
}

/** protocol . port of every NodePort. */
export const nodePorts: SetDeclaration = set('nodeport', { key: ['inet_proto', 'inet_service'] })

/** The chain that spreads new connections over `count` backends. */
export function pickChain(family: Family, count: number): Chain {
  const { endpoint } = sets[family]
  return chain(`lb${family}-${count}`, [
    rule(
      oneOf(meta.l4proto, transports),
      assign(meta.priority, 0),
      dnat({ family: nat[family], to: lookup(concat(header[family].daddr, meta.l4proto, th.dport, numgen('random', count)), endpoint) }),
    ),
  ])
}

/** What changes with this node and the DNS Service, and seldom. */
export interface TableContext {
  readonly node: NodeModel
  readonly localDns: readonly LocalDns[]
  /** Distinct numbers of backends in use, per family. */
  readonly counts: Readonly<Record<Family, readonly number[]>>
}

/** The whole table around the elements: chains do not depend on how many Services there are. */
export function proxyTable(context: TableContext, filled: { readonly sets: readonly SetDeclaration[], readonly maps: readonly MapDeclaration[] }): Table {
  const { node, localDns, counts } = context
  const families = [4, 6] as const
  return table({
    name: tables.proxy,
    ...filled,
    chains: [
      ...families.flatMap((family) => counts[family].map((count) => pickChain(family, count))),
      chain('services', families.map((family) =>
        rule(assign(meta.priority, lookup(concat(header[family].daddr, meta.l4proto, th.dport), sets[family].service)), vmap(meta.priority, sets[family].pick)))),
      // What is still addressed to a cluster IP after DNAT has no backend: say so at once instead of leaving it to a time-out.
      chain('refuse', families.flatMap((family) => [
        rule(isIn(header[family].daddr, sets[family].vip), jump('reject')),
        rule(isIn(header[family].daddr, sets[family].range), drop),
      ])),
      chain('reject', [rule(eq(meta.l4proto, 'tcp'), reject('tcp reset')), rule(reject())]),
      baseChain('dns-prerouting', { type: 'filter', hook: 'prerouting', priority: priorities.raw }, localDns.map(dnsRequest)),
      // `route`: a rewritten destination must be routed anew. Requests of this node itself, and answers of its DNS server.
      baseChain('dns-output', { type: 'route', hook: 'output', priority: priorities.raw }, [...localDns.map(dnsRequest), ...localDns.map(dnsReply)]),
      baseChain('prerouting', { type: 'nat', hook: 'prerouting', priority: priorities.serviceDnat }, [rule(jump('services'))]),
      baseChain('output', { type: 'nat', hook: 'output', priority: priorities.serviceDnat }, [rule(jump('services'))]),
      // Before routing, so that it does not take a route to the service range to be refused.
      baseChain('refuse-prerouting', { type: 'filter', hook: 'prerouting', priority: priorities.serviceRefuse }, [rule(hasAny(ct.state, 'new'), jump('refuse'))]),
      baseChain('refuse-output', { type: 'filter', hook: 'output', priority: priorities.serviceRefuse }, [rule(hasAny(ct.state, 'new'), jump('refuse'))]),
      baseChain('postrouting', { type: 'nat', hook: 'postrouting', priority: priorities.serviceSnat }, node.ips.flatMap(sourceRules)),
    ],
  })

  /** New connections whose answers would miss this node get its address; the client's own is kept wherever possible. */
  function sourceRules(address: NodeModel['ips'][number]): readonly Rule[] {
    const { family } = address
    const { saddr, daddr } = header[family]
    const original = family === 4 ? ct.original.ipDaddr : ct.original.ip6Daddr
    const toNode = snat({ family: nat[family], to: address, flags: ['fully-random'] })
    return [
      rule(hasAny(ct.status, 'dnat'), isIn(concat(saddr, daddr), sets[family].hairpin), toNode),
      rule(hasAny(ct.status, 'dnat'), isIn(original, sets[family].node), oneOf(meta.l4proto, transports), isIn(concat(meta.l4proto, ct.original.protoDst), nodePorts), toNode),
      rule(hasAny(ct.status, 'dnat'), isIn(original, sets[family].vip), notIn(saddr, sets[family].cluster), toNode),
    ]
  }
}

/** No conntrack entry, so no insertion race of A and AAAA on one socket, and no entry per query. */
function dnsRequest(dns: LocalDns): Rule {
  const { daddr } = header[dns.vip.family]
  return rule(eq(daddr, dns.vip), eq(udp.dport, dns.vipPort), notrack, assign(daddr, dns.server), assign(udp.dport, dns.serverPort))
}

function dnsReply(dns: LocalDns): Rule {
  const { saddr } = header[dns.vip.family]
  return rule(eq(saddr, dns.server), eq(udp.sport, dns.serverPort), notrack, assign(saddr, dns.vip), assign(udp.sport, dns.vipPort))
}

/** Chain and map entry for a number of backends that was not in use before. */
export function pickElement(family: Family, count: number): { readonly key: readonly [number], readonly data: ReturnType<typeof goTo> } {
  return { key: [count], data: goTo(`lb${family}-${count}`) }
}


import { priorities, tables } from '@weft/api'
import {
  accept, baseChain, type Chain, chain, concat, counter, ct, type DataTypeName, drop, eq, hasAny, icmpv6, ip, ip6, isIn, jump, map, type MapDeclaration, oneOf, type Rule, rule, set, type SetDeclaration,
  type Table, table, udp, vmap,
} from '@weft/nftables'
import { commentOf, families, type Family } from './names.ts'

const addressType: Readonly<Record<Family, DataTypeName>> = { 4: 'ipv4_addr', 6: 'ipv6_addr' }
export const header: { readonly 4: typeof ip, readonly 6: typeof ip6 } = { 4: ip, 6: ip6 }

/** What exists once per family, whatever the policies. */
interface FamilySets {
  /** Address of each isolated pod of this node -> its chain. */
  readonly egress: MapDeclaration
  readonly ingress: MapDeclaration
  /** Pairs of a pod and itself: no policy stands between them. */
  readonly self: SetDeclaration
  /** Addresses of the DNS Service. */
  readonly dnsVip: SetDeclaration
}

export const sets: Readonly<Record<Family, FamilySets>> = { 4: declare(4), 6: declare(6) }

function declare(family: Family): FamilySets {
  const key: readonly DataTypeName[] = [addressType[family]]
  return {
    egress: map(`egress${family}`, { key, data: 'verdict' }),
    ingress: map(`ingress${family}`, { key, data: 'verdict' }),
    self: set(`self${family}`, { key: [addressType[family], addressType[family]] }),
    dnsVip: set(`dns-vip${family}`, { key }),
  }
}

/** An empty set of addresses of pods. */
export function addressSet(name: string, family: Family, text: string): SetDeclaration {
  return set(name, { key: [addressType[family]], comment: commentOf(text) })
}

/** An empty set of networks. */
export function networkSet(name: string, family: Family): SetDeclaration {
  return set(name, { key: [addressType[family]], flags: ['interval'] })
}

/** An empty set of address . protocol . port. */
export function socketSet(name: string, family: Family, text: string): SetDeclaration {
  return set(name, { key: [addressType[family], 'inet_proto', 'inet_service'], comment: commentOf(text) })
}

/** Neighbour discovery and its kin: without them an IPv6 pod is cut off from its own node (RFC 4890 §4.4). */
const neighbourDiscovery = ['nd-router-solicit', 'nd-router-advert', 'nd-neighbor-solicit', 'nd-neighbor-advert'] as const

/** What passes whatever the policies say. Untracked and invalid packets have no direction: they go on to the policies. */
const always: readonly Rule[] = [
  // ICMP errors about connections that were let through.
  rule(hasAny(ct.state, 'related'), accept),
  // Answers only: what the client sends is judged anew each time, so that a policy ends what it forbids.
  rule(eq(ct.direction, 'reply'), accept),
  ...families.map((family) => rule(isIn(concat(header[family].saddr, header[family].daddr), sets[family].self), accept)),
]

/** Where pods go that the API does not know: nothing passes, either way. */
export const unknownPod = 'unknown-pod'

/**
 * The chains the kernel enters. Egress and ingress are base chains of their own: an `accept` ends only the one it stands
 * in, so a packet between two pods of this node meets both pods' policies. There is none for what the node itself sends:
 * a pod's own node always reaches it.
 */
export const fixedChains: readonly Chain[] = [
  baseChain('egress-forward', { type: 'filter', hook: 'forward', priority: priorities.policyEgress }, [rule(jump('egress'))]),
  baseChain('egress-input', { type: 'filter', hook: 'input', priority: priorities.policyEgress }, [rule(oneOf(icmpv6.type, neighbourDiscovery), accept), rule(jump('egress'))]),
  chain('egress', [...always, ...families.map((family) => rule(vmap(header[family].saddr, sets[family].egress)))]),
  baseChain('ingress-forward', { type: 'filter', hook: 'forward', priority: priorities.policyIngress }, [
    ...always,
    // Answers of the DNS Service are not tracked, so nothing says that they were asked for; no pod can forge its address.
    ...families.map((family) => rule(hasAny(ct.state, 'untracked'), isIn(header[family].saddr, sets[family].dnsVip), eq(udp.sport, 53), accept)),
    ...families.map((family) => rule(vmap(header[family].daddr, sets[family].ingress))),
  ]),
  chain(unknownPod, [rule(counter(), drop)]),
]

/** The chain of pods under these policies: what none of them allows is dropped, and counted. */
export function podChain(name: string, policies: readonly { readonly key: string, readonly chain: string }[]): Chain {
  return chain(name, [...policies.map(({ chain: target }) => rule(jump(target))), rule(counter(), drop)], { comment: commentOf(policies.map(({ key }) => key).join(' ')) })
}

/** The table around its parts. */
export function policyTable(parts: { readonly sets: readonly SetDeclaration[], readonly maps: readonly MapDeclaration[], readonly chains: readonly Chain[] }): Table {
  return table({ name: tables.policy, sets: parts.sets, maps: parts.maps, chains: parts.chains })
}

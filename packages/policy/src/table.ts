import { links, priorities, tables } from '@weft/api'
import {
  accept, baseChain, type Chain, chain, concat, counter, ct, type DataTypeName, drop, eq, hasAny, icmpv6, ip, ip6, isIn, jump, map, type MapDeclaration, meta, oneOf, rule, set, type SetDeclaration,
  type Table, table, udp, vmap,
} from '@weft/nftables'
import type { Family } from './names.ts'

const addressType: Readonly<Record<Family, DataTypeName>> = { 4: 'ipv4_addr', 6: 'ipv6_addr' }
export const header: { readonly 4: typeof ip, readonly 6: typeof ip6 } = { 4: ip, 6: ip6 }
export const families: readonly Family[] = [4, 6]

/** What exists once per family, whatever the policies. */
interface FamilySets {
  /** Address of each isolated pod of this node -> its chain. */
  readonly egress: MapDeclaration
  readonly ingress: MapDeclaration
  /** Pairs of a pod and itself: no policy stands between them. */
  readonly self: SetDeclaration
  /** address . protocol . port of the cluster DNS. */
  readonly dns: SetDeclaration
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
    dns: set(`dns${family}`, { key: [addressType[family], 'inet_proto', 'inet_service'] }),
    dnsVip: set(`dns-vip${family}`, { key }),
  }
}

/** An empty set of addresses of pods. */
export function addressSet(name: string, family: Family): SetDeclaration {
  return set(name, { key: [addressType[family]] })
}

/** An empty set of networks. */
export function networkSet(name: string, family: Family): SetDeclaration {
  return set(name, { key: [addressType[family]], flags: ['interval'] })
}

/** An empty set of address . protocol . port. */
export function socketSet(name: string, family: Family): SetDeclaration {
  return set(name, { key: [addressType[family], 'inet_proto', 'inet_service'] })
}

const podLinks = `${links.podPrefix}*`

/** Neighbour discovery and its kin: without them an IPv6 pod is cut off from its own node (RFC 4890 §4.4). */
const neighbourDiscovery = ['nd-router-solicit', 'nd-router-advert', 'nd-neighbor-solicit', 'nd-neighbor-advert'] as const

/**
 * The chains the kernel enters. Egress and ingress are base chains of their own: an `accept` ends only the one it stands
 * in, so a packet between two pods of this node meets both pods' policies. There is none for what the node itself sends:
 * a pod's own node always reaches it.
 */
export const baseChains: readonly Chain[] = [
  baseChain('egress-forward', { type: 'filter', hook: 'forward', priority: priorities.policyEgress }, [rule(jump('egress'))]),
  baseChain('egress-input', { type: 'filter', hook: 'input', priority: priorities.policyEgress }, [
    rule(oneOf(icmpv6.type, neighbourDiscovery), accept),
    rule(eq(meta.iifname, podLinks), jump('egress')),
  ]),
  chain('egress', [
    rule(hasAny(ct.state, 'established', 'related'), accept),
    ...families.flatMap((family) => [
      rule(isIn(concat(header[family].saddr, header[family].daddr), sets[family].self), accept),
      rule(vmap(header[family].saddr, sets[family].egress)),
    ]),
  ]),
  baseChain('ingress-forward', { type: 'filter', hook: 'forward', priority: priorities.policyIngress }, [
    rule(hasAny(ct.state, 'established', 'related'), accept),
    // Answers of the DNS Service are not tracked, so nothing says that they were asked for; no pod can forge its address.
    ...families.map((family) => rule(hasAny(ct.state, 'untracked'), isIn(header[family].saddr, sets[family].dnsVip), eq(udp.sport, 53), accept)),
    ...families.flatMap((family) => [
      rule(isIn(concat(header[family].saddr, header[family].daddr), sets[family].self), accept),
      rule(vmap(header[family].daddr, sets[family].ingress)),
    ]),
  ]),
]

/** The chain of pods under these policies: what none of them allows is dropped, and counted. */
export function podChain(name: string, policyChains: readonly string[]): Chain {
  return chain(name, [...policyChains.map((target) => rule(jump(target))), rule(counter(), drop)])
}

/** The table around its parts. */
export function policyTable(parts: { readonly sets: readonly SetDeclaration[], readonly maps: readonly MapDeclaration[], readonly chains: readonly Chain[] }): Table {
  return table({ name: tables.policy, sets: parts.sets, maps: parts.maps, chains: parts.chains })
}

import { ctMarks, type PolicyAction, priorities, tables } from '@weft/api'
import {
  accept, assign, baseChain, bitAnd, type Chain, chain, concat, counter, ct, type DataTypeName, drop, eq, goTo, hasAny, icmpv6, ip, ip6, isIn, jump, map, type MapDeclaration, ne, oneOf, replaceBits,
  returnToCaller, type Rule, rule, set, type SetDeclaration, type Statement, type Table, table, udp, vmap,
} from '@weft/nftables'
import { commentOf, type Direction, families, type Family } from './names.ts'

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

/** Writes what policy thinks into conntrack's mark, and leaves the bits of others alone. */
const remember = (bits: number): Rule => rule(assign(ct.mark, replaceBits(ct.mark, ctMarks.mask, bits)))

/**
 * What passes whatever the policies say. Untracked and invalid packets have neither mark nor direction: they go on to the
 * policies.
 */
const always: readonly Rule[] = [
  // A connection is judged once, and again when a policy that may concern it changes: then the mark says so.
  rule(eq(bitAnd(ct.mark, ctMarks.mask), ctMarks.allowed), accept),
  // ICMP errors about connections that were let through.
  rule(hasAny(ct.state, 'related'), accept),
  // Answers pass while nobody has judged anew, and no more when that was a denial. What the client sends decides.
  rule(eq(ct.direction, 'reply'), ne(bitAnd(ct.mark, ctMarks.mask), ctMarks.denied), accept),
  rule(eq(ct.direction, 'reply'), counter(), drop),
  ...families.map((family) => rule(isIn(concat(header[family].saddr, header[family].daddr), sets[family].self), accept)),
]

/** Where pods go that the API does not know: nothing passes, either way. */
export const unknownPod = 'unknown-pod'
/** Ends of the ways through the policies. */
const allowed = 'allowed'
const denied = 'denied'

/** What the rules of policies say of what they match. Egress says no more than "go on": ingress comes after it. */
export const verdicts: Readonly<Record<Direction, Readonly<Record<PolicyAction, readonly Statement[]>>>> = {
  ingress: { Accept: [goTo(allowed)], Deny: [goTo(denied)], Pass: [returnToCaller] },
  egress: { Accept: [accept], Deny: [goTo(denied)], Pass: [returnToCaller] },
}

/** Of pods that policies protect here: the others' connections are not ours to mark. */
const isProtected = (family: Family): Statement => isIn(concat(header[family].saddr, header[family].saddr), sets[family].self)

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
    ...families.map((family) => rule(isProtected(family), goTo(allowed))),
  ]),
  // To the node itself there is no ingress: what egress has let through is judged.
  baseChain('ingress-input', { type: 'filter', hook: 'input', priority: priorities.policyIngress }, families.map((family) => rule(eq(ct.direction, 'original'), isProtected(family), goTo(allowed)))),
  chain(allowed, [remember(ctMarks.allowed), rule(accept)]),
  chain(denied, [remember(ctMarks.denied), rule(drop)]),
  chain(unknownPod, [rule(counter(), goTo(denied))]),
]

/** Rules of the tiers that concern the same pods: what of them comes first decides. */
export interface PodTiers {
  /** The chain of their Admin policies. */
  readonly admin: string | undefined
  /** Chains of the NetworkPolicies that isolate them; undefined when none does. */
  readonly isolating: readonly string[] | undefined
  /** The chain that asks NetworkPolicies in audit mode, where none isolates. */
  readonly audit: string | undefined
  /** Chains of their Baseline policies, asked when no NetworkPolicy isolates them. */
  readonly baseline: readonly string[]
}

/**
 * The chain of pods under the same policies: what no NetworkPolicy that isolates them allows is dropped, and counted.
 *
 * @param teller A chain that logs that, and drops.
 */
export function podChain(name: string, direction: Direction, { tiers: { admin, isolating, audit, baseline }, keys, teller }: { readonly tiers: PodTiers, readonly keys: readonly string[], readonly teller: string | undefined }): Chain {
  const after = isolating === undefined ? [...baseline.map((each) => rule(jump(each))), rule(...verdicts[direction].Accept)] : [...isolating.map((each) => rule(jump(each))), rule(counter(), goTo(teller ?? denied))]
  return chain(name, [...[admin, audit].flatMap((list) => (list === undefined ? [] : [rule(jump(list))])), ...after], { comment: commentOf(keys.join(' ')) })
}

/** The table around its parts. */
export function policyTable(parts: { readonly sets: readonly SetDeclaration[], readonly maps: readonly MapDeclaration[], readonly chains: readonly Chain[] }): Table {
  return table({ name: tables.policy, sets: parts.sets, maps: parts.maps, chains: parts.chains })
}

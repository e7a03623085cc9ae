import { ctMarks, type PolicyAction, priorities, scratchMarks, tables } from '@weft/api'
import {
  accept, assign, baseChain, bitAnd, bitOr, type Chain, chain, concat, counter, ct, type DataTypeName, drop, eq, goTo, hasAny, icmpv6, ip, ip6, isIn, jump, map, type MapDeclaration, meta, ne, notIn, oneOf, partsOf, replaceBits,
  returnToCaller, type Rule, rule, set, type SetDeclaration, type SetElement, type Statement, type Table, table, udp, vmap,
} from '@weft/nftables'
import { commentOf, type Direction, families, type Family } from './names.ts'

const addressType: Readonly<Record<Family, DataTypeName>> = { 4: 'ipv4_addr', 6: 'ipv6_addr' }
export const header: { readonly 4: typeof ip, readonly 6: typeof ip6 } = { 4: ip, 6: ip6 }

/** What exists once per family, whatever the policies. */
interface FamilySets {
  /** Address of each isolated pod of this node -> its chain. */
  readonly egress: MapDeclaration
  readonly ingress: MapDeclaration
  /** Pairs of each pod here that the API knows and itself. */
  readonly self: SetDeclaration
  /** Addresses of the DNS Service. */
  readonly dnsVip: SetDeclaration
}

/** Networks of this node's pods, where whoever is not known is closed. */
export const podRanges: Readonly<Record<Family, SetDeclaration>> = { 4: set('range4', { key: [addressType[4]], flags: ['interval'] }), 6: set('range6', { key: [addressType[6]], flags: ['interval'] }) }

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

/** A set of networks, less their exceptions. */
export function networkSet(name: string, family: Family, elements: readonly SetElement[]): SetDeclaration {
  return { ...set(name, { key: [addressType[family]], flags: rangesIn(elements) }), elements }
}

/** A set of networks with ports of theirs. */
export function networkPortsSet(name: string, family: Family, elements: readonly SetElement[]): SetDeclaration {
  return { ...set(name, { key: [addressType[family], 'inet_proto', 'inet_service'], flags: rangesIn(elements) }), elements }
}

/** A set of ports of protocols. */
export function portsSet(hash: string, elements: readonly SetElement[]): SetDeclaration {
  return { ...set(`ports-${hash}`, { key: ['inet_proto', 'inet_service'], flags: rangesIn(elements) }), elements }
}

/** Without ranges a lookup is that of a hash. */
function rangesIn(elements: readonly SetElement[]): readonly ['interval'] | readonly [] {
  return elements.some(({ key }) => partsOf(key).some((part) => typeof part === 'object' && 'kind' in part && part.kind === 'range')) ? ['interval'] : []
}

/** An empty set of address . protocol . port. */
export function socketSet(name: string, family: Family, text: string): SetDeclaration {
  return set(name, { key: [addressType[family], 'inet_proto', 'inet_service'], comment: commentOf(text) })
}

/** Neighbour discovery and its kin: without them an IPv6 pod is cut off from its own node (RFC 4890 §4.4). */
const neighbourDiscovery = ['nd-router-solicit', 'nd-router-advert', 'nd-neighbor-solicit', 'nd-neighbor-advert'] as const

/** Writes what policy thinks into conntrack's mark, and leaves the bits of others alone. What is not tracked has no mark: the rule ends there, so the verdict is one of its own. */
const remember = (bits: number): Rule => rule(assign(ct.mark, replaceBits(ct.mark, ctMarks.mask, bits)))

/** A connection is judged once, and again when a policy that may concern it changes: then the mark says so. */
const judged = rule(eq(bitAnd(ct.mark, ctMarks.mask), ctMarks.allowed), accept)

/** Where pods go that the API does not know: nothing passes, either way. */
export const unknownPod = 'unknown-pod'
/** Packets of connections that have begun, which policies have not judged yet, or are to judge anew. */
const known = 'known'
/** The same, and what is not tracked. */
const answers = 'answers'
/** Ends of the ways through the policies. */
const allowed = 'allowed'
const goOn = 'go-on'
const denied = 'denied'

/** What egress lets go on is told by a bit of the packet's mark, for it has to come back from the chains of policies to where ingress is asked. */
const { egressAllowed } = scratchMarks
const goesOn = eq(bitAnd(meta.mark, egressAllowed), egressAllowed)
const forgetGoingOn = rule(assign(meta.mark, bitAnd(meta.mark, 0xffff_ffff - egressAllowed)))

/** What the rules of policies say of what they match. Egress says no more than "go on": ingress comes after it. */
export const verdicts: Readonly<Record<Direction, Readonly<Record<PolicyAction, readonly Statement[]>>>> = {
  ingress: { Accept: [goTo(allowed)], Deny: [goTo(denied)], Pass: [returnToCaller] },
  egress: { Accept: [assign(meta.mark, bitOr(meta.mark, egressAllowed)), returnToCaller], Deny: [goTo(denied)], Pass: [returnToCaller] },
}

/** Of an address of a pod here: the connections of others are not ours to mark. Asked of pairs, so that one set is enough. */
const isHere = (address: (typeof header)[Family]['saddr'], family: Family): Statement => isIn(concat(address, address), sets[family].self)
const fromHere = (family: Family): Statement => isHere(header[family].saddr, family)
const toHere = (family: Family): Statement => isHere(header[family].daddr, family)

/** No policy stands between a pod and itself. */
const toItself = (direction: Direction): readonly Rule[] => families.map((family) => rule(isIn(concat(header[family].saddr, header[family].daddr), sets[family].self), direction === 'egress' ? returnToCaller : goTo(allowed)))

/**
 * Asks chains of policies, one after the other.
 *
 * @param after What follows where one of egress lets the packet go on; of ingress none comes back.
 */
export function asked(direction: Direction, chains: readonly string[], after: Statement): readonly Rule[] {
  return chains.flatMap((each) => [rule(jump(each)), ...(direction === 'egress' ? [rule(goesOn, after)] : [])])
}

/** Of an address in the node's ranges that no pod has which the API knows. */
const isUnknown = (address: (typeof header)[Family]['saddr'], family: Family): Rule => rule(isIn(address, podRanges[family]), notIn(concat(address, address), sets[family].self), goTo(unknownPod))

/**
 * The chains the kernel enters: one for what is forwarded, where the source's egress is asked and then the destination's ingress, and one for what comes to the node, which
 * has no ingress. There is none for what the node itself sends: a pod's own node always reaches it. The first packet of a connection meets two comparisons and a lookup for
 * each end, those that follow one comparison.
 *
 * @param closesRanges Whether who is in {@link podRanges} and not known is closed: where nobody tells of pods before they start.
 */
export function fixedChains({ closesRanges }: { readonly closesRanges: boolean }): readonly Chain[] {
  const byEgress = families.flatMap((family) => [rule(vmap(header[family].saddr, sets[family].egress)), ...(closesRanges ? [isUnknown(header[family].saddr, family)] : [])])
  const byIngress = families.flatMap((family) => [rule(vmap(header[family].daddr, sets[family].ingress)), ...(closesRanges ? [isUnknown(header[family].daddr, family)] : [])])
  return [
    baseChain('forward', { type: 'filter', hook: 'forward', priority: priorities.policy }, [
      judged,
      rule(hasAny(ct.state, 'established', 'related', 'untracked'), jump(answers)),
      ...byEgress,
      ...byIngress,
      // No policy is about what goes in here: what egress let through is judged, and so is what comes to a pod without policies.
      ...families.flatMap((family) => [fromHere, toHere].map((isOurs) => rule(isOurs(family), goTo(allowed)))),
    ]),
    baseChain('input', { type: 'filter', hook: 'input', priority: priorities.policy }, [
      judged,
      rule(hasAny(ct.state, 'established', 'related'), jump(known)),
      rule(oneOf(icmpv6.type, neighbourDiscovery), accept),
      ...byEgress,
      ...families.map((family) => rule(eq(ct.direction, 'original'), fromHere(family), goTo(allowed))),
    ]),
    chain(known, [
      // ICMP errors about connections that were let through.
      rule(hasAny(ct.state, 'related'), accept),
      // Answers pass while nobody has judged anew, and no more when that was a denial. What the client sends decides.
      rule(eq(ct.direction, 'reply'), ne(bitAnd(ct.mark, ctMarks.mask), ctMarks.denied), accept),
      rule(eq(ct.direction, 'reply'), counter(), drop),
    ]),
    chain(answers, [
      // Answers of the DNS Service are not tracked, so nothing says that they were asked for; no pod can forge its address.
      ...families.map((family) => rule(hasAny(ct.state, 'untracked'), isIn(header[family].saddr, sets[family].dnsVip), eq(udp.sport, 53), accept)),
      rule(goTo(known)),
    ]),
    chain(allowed, [remember(ctMarks.allowed), rule(accept)]),
    chain(denied, [remember(ctMarks.denied), rule(drop)]),
    chain(unknownPod, [rule(counter(), goTo(denied))]),
    chain(goOn, [forgetGoingOn]),
  ]
}

/** Rules of the tiers that concern the same pods: what of them comes first decides. */
export interface PodTiers {
  /** The chain of their Admin policies. */
  readonly admin: string | undefined
  /** Chains of the NetworkPolicies that isolate them, those that have rules; undefined when none does. */
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
  const lists = [admin, audit].filter((list) => list !== undefined)
  const self = toItself(direction)
  const ask = (chains: readonly string[]): readonly Rule[] => asked(direction, chains, goTo(goOn))
  // Whoever set the bit before meant something else by it.
  const first = direction === 'egress' ? [forgetGoingOn] : []
  // NetworkPolicies only allow: after them the question for itself costs nobody who is allowed. All others may deny.
  const rules = isolating === undefined
    ? [...self, ...ask([...lists, ...baseline]), ...(direction === 'egress' ? [] : [rule(goTo(allowed))])]
    : [...(lists.length === 0 ? [] : self), ...ask([...lists, ...isolating]), ...(lists.length === 0 ? self : []), rule(counter(), goTo(teller ?? denied))]
  return chain(name, [...first, ...rules], { comment: commentOf(keys.join(' ')) })
}

/** The table around its parts. */
export function policyTable(parts: { readonly sets: readonly SetDeclaration[], readonly maps: readonly MapDeclaration[], readonly chains: readonly Chain[] }): Table {
  return table({ name: tables.policy, sets: parts.sets, maps: parts.maps, chains: parts.chains })
}

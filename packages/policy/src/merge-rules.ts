import { formatLabelSelector, type PolicyPeer, type PolicyPort, type PolicyRule } from '@weft/api'
import { formatBlock } from './address-ranges.ts'

/** A rule and which rules of the policy are in it. */
export interface MergedRule {
  readonly rule: PolicyRule
  /** Indexes, in order. */
  readonly places: readonly number[]
}

/**
 * Rules of one verdict, of which it does not matter which one matches, as fewer ones that match the same: those with the same peers have
 * their ports together, and then those with the same ports their peers.
 */
export function mergeRules(rules: readonly MergedRule[]): readonly MergedRule[] {
  const byPeers = together(rules, ({ peers }) => textOf(peers, peerText), (merged) => ({ peers: merged[0].peers, ports: union(merged.map(({ ports }) => ports)) }))
  return together(byPeers, ({ ports }) => textOf(ports, portText), (merged) => ({ peers: union(merged.map(({ peers }) => peers)), ports: merged[0].ports }))
}

/** Rules of networks with ports by number that are worth a lookup of their own. */
const networkRulesAtLeast = 3

/**
 * Takes out of merged rules what they say of networks at ports by number, where that is many rules: one lookup answers all of it.
 */
export function splitNetworks(rules: readonly MergedRule[]): { readonly networks: readonly MergedRule[], readonly others: readonly MergedRule[] } {
  const isOfNetworks = ({ rule: { peers, ports } }: MergedRule): boolean => ports.length > 0 && ports.every(({ port }) => typeof port !== 'string') && peers.some(({ kind }) => kind === 'ipBlock')
  const found = rules.filter(isOfNetworks)
  if (found.length < networkRulesAtLeast) return { networks: [], others: rules }
  const withPeers = (each: MergedRule, keeps: (peer: PolicyPeer) => boolean): MergedRule => ({ ...each, rule: { ...each.rule, peers: each.rule.peers.filter(keeps) } })
  return {
    networks: found.map((each) => withPeers(each, ({ kind }) => kind === 'ipBlock')),
    others: rules.map((each) => (isOfNetworks(each) ? withPeers(each, ({ kind }) => kind !== 'ipBlock') : each)).filter((each, index) => each.rule.peers.length > 0 || rules[index]!.rule.peers.length === 0),
  }
}

/** `ingress[0-3,7]`. */
export function formatPlaces(direction: string, places: readonly number[]): string {
  const runs: { readonly from: number, to: number }[] = []
  for (const place of places) {
    const last = runs.at(-1)
    if (last !== undefined && last.to === place - 1) last.to = place
    else runs.push({ from: place, to: place })
  }
  return `${direction}[${runs.map(({ from, to }) => (from === to ? from : `${from}-${to}`)).join(',')}]`
}

function together(rules: readonly MergedRule[], keyOf: (rule: PolicyRule) => string, merge: (rules: readonly [PolicyRule, ...PolicyRule[]]) => PolicyRule): readonly MergedRule[] {
  return [...Map.groupBy(rules, ({ rule }) => keyOf(rule)).values()].map((group) => (group.length === 1 ? group[0]! : {
    rule: merge(group.map(({ rule }) => rule) as [PolicyRule, ...PolicyRule[]]),
    places: group.flatMap(({ places }) => places).toSorted((a, b) => a - b),
  }))
}

/** An empty list means everything. */
function union<T>(lists: readonly (readonly T[])[]): readonly T[] {
  return lists.some((list) => list.length === 0) ? [] : lists.flat()
}

function textOf<T>(items: readonly T[], itemText: (item: T) => string): string {
  return items.map(itemText).sort().join('\n')
}

function portText({ protocol, port, endPort }: PolicyPort): string {
  return JSON.stringify([protocol, port ?? null, endPort ?? null])
}

function peerText(peer: PolicyPeer): string {
  switch (peer.kind) {
    case 'ipBlock': return formatBlock(peer)
    case 'pods': return JSON.stringify([peer.namespaces === undefined ? null : formatLabelSelector(peer.namespaces), formatLabelSelector(peer.pods ?? [])])
    case 'nodes': return `nodes ${formatLabelSelector(peer.nodes)}`
    case 'domain': return `domain ${peer.name}`
    default: return peer satisfies never
  }
}

import { type ClusterNetworkPolicy, clusterPolicyKey, type LabelSelector, type NetworkPolicy, objectKey, type PolicyTier, selectorMatches } from '@weft/api'
import type { PodIdentity } from './model.ts'
import { type Direction, directions } from './names.ts'

/** Admin, then NetworkPolicy, then Baseline: each is asked only for what those before it left open. */
export type Tier = PolicyTier | 'NetworkPolicy'

/** Whom a policy protects: pods of one namespace, or of those that `namespaces` selects. */
export interface PolicySubject {
  readonly namespace: string | undefined
  readonly namespaces: LabelSelector
  readonly pods: LabelSelector
}

/** What of a policy says whom it is about, and when it is asked: all that is kept of policies that select no pod here. */
export interface PolicyHead {
  readonly key: string
  readonly tier: Tier
  /** Lower first, within the tier; NetworkPolicies have no order. */
  readonly priority: number
  readonly subject: PolicySubject
  readonly source: NetworkPolicy | ClusterNetworkPolicy
  /** Where it says anything. */
  readonly directions: readonly Direction[]
  /** Where it has rules; a policy without any isolates, and is not asked. */
  readonly ruled: readonly Direction[]
  /**
   * Directions in which a rule leaves the tier, or the asking of policies in audit mode. It can do that from the chain of the tier only, so there the rules are
   * written out where others are a jump.
   */
  readonly passes: readonly Direction[]
}

export function headOf(source: NetworkPolicy | ClusterNetworkPolicy): PolicyHead {
  const ruled = directions.filter((direction) => (source[direction] ?? []).length > 0)
  if ('tier' in source) {
    const { tier, priority, subject, telling } = source
    const passes = tier === 'Baseline' || telling.audit ? [] : directions.filter((direction) => source[direction].some(({ action }) => action === 'Pass'))
    return { key: clusterPolicyKey(source), tier, priority, subject: { namespace: undefined, ...subject }, source, directions: ruled, ruled, passes }
  }
  return {
    key: objectKey(source), tier: 'NetworkPolicy', priority: 0, subject: { namespace: source.namespace, namespaces: [], pods: source.pods }, source, directions: directions.filter((direction) => source[direction] !== undefined), ruled,
    // In audit mode a rule that matches ends the asking, for which it is written out in the chain that asks.
    passes: source.telling.audit ? directions : [],
  }
}

/** Whether a policy is about a pod. */
export function isSubject({ namespace, namespaces, pods }: PolicySubject, identity: PodIdentity, namespaceLabels: Readonly<Record<string, string>>): boolean {
  return (namespace === undefined ? selectorMatches(namespaces, namespaceLabels) : namespace === identity.namespace) && selectorMatches(pods, identity.labels)
}

/** The order in which policies of a tier are asked. */
export function compareHeads(a: PolicyHead, b: PolicyHead): number {
  return a.priority === b.priority ? (a.key < b.key ? -1 : 1) : a.priority - b.priority
}

/** Whether a policy is asked by the same pods, at the same place, in the same directions: then they keep their chains. */
export function isSameReach(before: PolicyHead, after: PolicyHead): boolean {
  const reach = ({ tier, priority, subject, source, directions: own, ruled, passes }: PolicyHead): string => JSON.stringify([tier, priority, subject, source.telling, own, ruled, passes])
  return reach(before) === reach(after)
}

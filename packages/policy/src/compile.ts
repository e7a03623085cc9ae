import { type ClusterNetworkPolicy, clusterPolicyKey, type LabelSelector, type NetworkPolicy, objectKey, type PolicyAction, type PolicyTier, selectorMatches } from '@weft/api'
import { type Chain, chain, type Rule, rule, type Statement } from '@weft/nftables'
import type { PodIdentity } from './model.ts'
import { commentOf, type Direction, directions, policyChainName } from './names.ts'
import { type CompileContext, RuleCompiler, type UsedSets } from './rule-compiler.ts'
import { verdicts } from './table.ts'

/** Admin, then NetworkPolicy, then Baseline: each is asked only for what those before it left open. */
export type Tier = PolicyTier | 'NetworkPolicy'

/** Whom a policy protects: pods of one namespace, or of those that `namespaces` selects. */
export interface PolicySubject {
  readonly namespace: string | undefined
  readonly namespaces: LabelSelector
  readonly pods: LabelSelector
}

/** What one policy becomes: chains, and the sets their rules look things up in. */
export interface CompiledPolicy extends UsedSets {
  readonly key: string
  readonly tier: Tier
  /** Lower first, within the tier; NetworkPolicies have no order. */
  readonly priority: number
  readonly subject: PolicySubject
  readonly source: NetworkPolicy | ClusterNetworkPolicy
  readonly chains: Readonly<Partial<Record<Direction, Chain>>>
  /**
   * Directions in which a rule leaves the tier. It can do that from the chain of the tier only, so there the rules are
   * written out where others are a jump.
   */
  readonly passes: readonly Direction[]
}

/** Translates a NetworkPolicy. Pure, and in the size of the policy: which pods its selectors stand for is decided elsewhere. */
export function compilePolicy(source: NetworkPolicy, context: CompileContext): CompiledPolicy {
  const compiler = new RuleCompiler(source.namespace, context)
  const key = objectKey(source)
  return assemble({ key, tier: 'NetworkPolicy', priority: 0, subject: { namespace: source.namespace, namespaces: [], pods: source.pods }, source, passes: [] }, compiler, (direction) =>
    source[direction]?.flatMap((each) => compiler.compile(direction, each, verdicts[direction].Accept)))
}

/** Translates a policy of the cluster, rules in their order: the first that matches decides. */
export function compileClusterPolicy(source: ClusterNetworkPolicy, context: CompileContext): CompiledPolicy {
  const compiler = new RuleCompiler('', context)
  const { tier, priority, subject } = source
  const isPass = (action: PolicyAction): boolean => action === 'Pass' && tier === 'Admin'
  // After Baseline comes what Kubernetes does without policies.
  const verdictOf = (direction: Direction, action: PolicyAction): readonly Statement[] => verdicts[direction][action === 'Pass' && tier === 'Baseline' ? 'Accept' : action]
  const passes = directions.filter((direction) => source[direction].some(({ action }) => isPass(action)))
  return assemble({ key: clusterPolicyKey(source), tier, priority, subject: { namespace: undefined, ...subject }, source, passes }, compiler, (direction) =>
    (source[direction].length === 0 ? undefined : source[direction].flatMap((each) => compiler.compile(direction, each, verdictOf(direction, each.action)))))
}

/** Whether a policy is about a pod. */
export function isSubject({ namespace, namespaces, pods }: PolicySubject, identity: PodIdentity, namespaceLabels: Readonly<Record<string, string>>): boolean {
  return (namespace === undefined ? selectorMatches(namespaces, namespaceLabels) : namespace === identity.namespace) && selectorMatches(pods, identity.labels)
}

/** The order in which policies of a tier are asked. */
export function compareCompiled(a: CompiledPolicy, b: CompiledPolicy): number {
  return a.priority === b.priority ? (a.key < b.key ? -1 : 1) : a.priority - b.priority
}

function assemble(head: Omit<CompiledPolicy, 'chains' | keyof UsedSets>, compiler: RuleCompiler, rulesOf: (direction: Direction) => readonly Rule[] | undefined): CompiledPolicy {
  const chains: Partial<Record<Direction, Chain>> = {}
  for (const direction of directions) {
    const rules = rulesOf(direction)
    if (rules !== undefined) chains[direction] = chain(policyChainName(direction, head.key), rules, { comment: commentOf(head.key) })
  }
  return { ...head, chains, ...compiler.sets }
}

/** The rule that asks a policy for its verdict. */
export function asks(direction: Direction, policy: CompiledPolicy, jumpTo: (chain: string) => Statement): readonly Rule[] {
  const own = policy.chains[direction]!
  return policy.passes.includes(direction) ? own.rules : [rule(jumpTo(own.name))]
}

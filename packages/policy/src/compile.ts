import { type ClusterNetworkPolicy, clusterPolicyKey, type LabelSelector, type NetworkPolicy, objectKey, type PolicyAction, type PolicyRule, type PolicyTelling, type PolicyTier, selectorMatches } from '@weft/api'
import { type Chain, chain, comment, counter, goTo, returnToCaller, type Rule, rule, type Statement } from '@weft/nftables'
import type { PodIdentity } from './model.ts'
import { commentOf, type Direction, directions, policyChainName } from './names.ts'
import { type CompileContext, RuleCompiler, type UsedSets } from './rule-compiler.ts'
import { verdicts } from './table.ts'
import { type Teller, tellerOf } from './tellers.ts'
import type { Told } from './told.ts'

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
   * Directions in which a rule leaves the tier, or the asking of policies in audit mode. It can do that from the chain of the tier only, so there the rules are
   * written out where others are a jump.
   */
  readonly passes: readonly Direction[]
  /** Chains that log what the rules say. */
  readonly tellers: readonly Teller[]
}

/** Translates a NetworkPolicy. Pure, and in the size of the policy: which pods its selectors stand for is decided elsewhere. */
export function compilePolicy(source: NetworkPolicy, context: CompileContext): CompiledPolicy {
  const key = objectKey(source)
  // In audit mode a rule that matches ends the asking, for which it is written out in the chain that asks.
  const passes = source.telling.audit ? directions : []
  return assemble({ key, tier: 'NetworkPolicy', priority: 0, subject: { namespace: source.namespace, namespaces: [], pods: source.pods }, source, passes }, new RuleCompiler(source.namespace, context), context, (direction) =>
    source[direction]?.map((rule) => ({ rule, action: 'Accept', verdict: verdicts[direction].Accept })))
}

/** Translates a policy of the cluster, rules in their order: the first that matches decides. */
export function compileClusterPolicy(source: ClusterNetworkPolicy, context: CompileContext): CompiledPolicy {
  const { tier, priority, subject, telling } = source
  const isPass = (action: PolicyAction): boolean => action === 'Pass' && tier === 'Admin'
  // After Baseline comes what Kubernetes does without policies.
  const verdictOf = (direction: Direction, action: PolicyAction): readonly Statement[] => verdicts[direction][action === 'Pass' && tier === 'Baseline' ? 'Accept' : action]
  const passes = telling.audit ? [] : directions.filter((direction) => source[direction].some(({ action }) => isPass(action)))
  return assemble({ key: clusterPolicyKey(source), tier, priority, subject: { namespace: undefined, ...subject }, source, passes }, new RuleCompiler('', context), context, (direction) =>
    (source[direction].length === 0 ? undefined : source[direction].map((rule) => ({ rule, action: rule.action, verdict: verdictOf(direction, rule.action) }))))
}

/** A rule and what follows where it matches. */
interface JudgingRule {
  readonly rule: PolicyRule
  readonly action: PolicyAction
  readonly verdict: readonly Statement[]
}

/** Whether a policy is about a pod. */
export function isSubject({ namespace, namespaces, pods }: PolicySubject, identity: PodIdentity, namespaceLabels: Readonly<Record<string, string>>): boolean {
  return (namespace === undefined ? selectorMatches(namespaces, namespaceLabels) : namespace === identity.namespace) && selectorMatches(pods, identity.labels)
}

/** The order in which policies of a tier are asked. */
export function compareCompiled(a: CompiledPolicy, b: CompiledPolicy): number {
  return a.priority === b.priority ? (a.key < b.key ? -1 : 1) : a.priority - b.priority
}

type Head = Omit<CompiledPolicy, 'chains' | 'tellers' | keyof UsedSets>

function assemble(head: Head, compiler: RuleCompiler, { log }: CompileContext, rulesOf: (direction: Direction) => readonly JudgingRule[] | undefined): CompiledPolicy {
  const chains: Partial<Record<Direction, Chain>> = {}
  const tellers: Teller[] = []
  const tell = (told: Omit<Told, 'policies'>, after: readonly Statement[]): readonly Statement[] => {
    if (log === undefined) return after.length === 0 ? [returnToCaller] : after
    const teller = tellerOf({ ...told, policies: [head.key] }, after, log)
    tellers.push(teller)
    return [goTo(teller.chain.name)]
  }
  for (const direction of directions) {
    const rules = rulesOf(direction)?.flatMap(({ rule: each, action, verdict }, index) => {
      const place = `${direction}[${index}]`
      return compiler.compile(direction, each, [counter(), ...said(head.source.telling, { action, verdict, tell: (word, after) => tell({ verdict: word, direction, rule: place }, after) }), comment(commentOf(`${head.key} ${place}`))])
    })
    if (rules !== undefined) chains[direction] = chain(policyChainName(direction, head.key), rules, { comment: commentOf(head.key) })
  }
  return { ...head, chains, tellers, ...compiler.sets }
}

/** What a rule does with what it matches, where the policy is to be logged or only to be watched. */
function said({ log, audit }: PolicyTelling, { action, verdict, tell }: Omit<JudgingRule, 'rule'> & { readonly tell: (word: Told['verdict'], after: readonly Statement[]) => readonly Statement[] }): readonly Statement[] {
  if (audit) return action === 'Deny' ? tell('audit', []) : [returnToCaller]
  const word = action === 'Accept' ? 'allowed' : 'denied'
  return action !== 'Pass' && (log === 'all' || log === word) ? tell(word, verdict) : verdict
}

/** The rule that asks a policy for its verdict. */
export function asks(direction: Direction, policy: CompiledPolicy, jumpTo: (chain: string) => Statement): readonly Rule[] {
  const own = policy.chains[direction]!
  return policy.passes.includes(direction) ? own.rules : [rule(jumpTo(own.name))]
}

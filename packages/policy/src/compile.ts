import type { ClusterNetworkPolicy, NetworkPolicy, PolicyAction, PolicyTelling } from '@weft/api'
import { type Chain, chain, comment, counter, goTo, returnToCaller, type Rule, rule, type Statement } from '@weft/nftables'
import { formatPlaces, type MergedRule, mergeRules } from './merge-rules.ts'
import { commentOf, type Direction, policyChainName } from './names.ts'
import type { PolicyHead } from './policy-head.ts'
import { type CompileContext, RuleCompiler, type UsedSets } from './rule-compiler.ts'
import { verdicts } from './table.ts'
import { type Teller, tellerOf } from './tellers.ts'
import type { Told } from './told.ts'

/** What one policy becomes: chains, and the sets their rules look things up in. */
export interface CompiledPolicy extends UsedSets {
  readonly head: PolicyHead
  readonly chains: Readonly<Partial<Record<Direction, Chain>>>
  /** Chains that log what the rules say. */
  readonly tellers: readonly Teller[]
}

/** Translates a policy. Pure, and in the size of the policy: which pods its selectors stand for is decided elsewhere. */
export function compilePolicy(head: PolicyHead, context: CompileContext): CompiledPolicy {
  const { key, source, tier, subject } = head
  const compiler = new RuleCompiler(subject.namespace ?? '', context)
  const chains: Partial<Record<Direction, Chain>> = {}
  const tellers: Teller[] = []
  const tell = (told: Omit<Told, 'policies'>, after: readonly Statement[]): readonly Statement[] => {
    if (context.log === undefined) return after.length === 0 ? [returnToCaller] : after
    const teller = tellerOf({ ...told, policies: [key] }, after, context.log)
    tellers.push(teller)
    return [goTo(teller.chain.name)]
  }
  for (const direction of head.directions) {
    const rules = judgingRules(source, direction).flatMap(({ action, rule: each, places }) => {
      const place = formatPlaces(direction, places)
      // After Baseline comes what Kubernetes does without policies.
      const verdict = verdicts[direction][action === 'Pass' && tier === 'Baseline' ? 'Accept' : action]
      return compiler.compile(direction, each, [counter(), ...said(source.telling, { action, verdict, tell: (word, after) => tell({ verdict: word, direction, rule: place }, after) }), comment(commentOf(`${key} ${place}`))])
    })
    chains[direction] = chain(policyChainName(direction, key), rules, { comment: commentOf(key) })
  }
  return { head, chains, tellers, ...compiler.sets }
}

interface JudgingRule extends MergedRule {
  readonly action: PolicyAction
}

/**
 * The rules of a direction, in an order in which the first that matches decides. Those that say the same one after the other are merged, unless each is to be told or counted by itself.
 */
function judgingRules(source: NetworkPolicy | ClusterNetworkPolicy, direction: Direction): readonly JudgingRule[] {
  const { log, audit, counters } = source.telling
  const rules = 'tier' in source ? source[direction] : source[direction]!.map((each) => ({ ...each, action: 'Accept' as const }))
  const single = rules.map((each, index): JudgingRule => ({ action: each.action, rule: each, places: [index] }))
  if (log !== 'none' || audit || counters) return single
  const runs: JudgingRule[][] = []
  for (const each of single) {
    const last = runs.at(-1)
    if (last !== undefined && last[0]!.action === each.action) last.push(each)
    else runs.push([each])
  }
  return runs.flatMap((run) => mergeRules(run).map((merged) => ({ ...merged, action: run[0]!.action })))
}

/** What a rule does with what it matches, where the policy is to be logged or only to be watched. */
function said({ log, audit }: PolicyTelling, { action, verdict, tell }: { readonly action: PolicyAction, readonly verdict: readonly Statement[], readonly tell: (word: Told['verdict'], after: readonly Statement[]) => readonly Statement[] }): readonly Statement[] {
  if (audit) return action === 'Deny' ? tell('audit', []) : [returnToCaller]
  const word = action === 'Accept' ? 'allowed' : 'denied'
  return action !== 'Pass' && (log === 'all' || log === word) ? tell(word, verdict) : verdict
}

/** The rule that asks a policy for its verdict. */
export function asks(direction: Direction, { head, chains }: CompiledPolicy, jumpTo: (chain: string) => Statement): readonly Rule[] {
  const own = chains[direction]!
  return head.passes.includes(direction) ? own.rules : [rule(jumpTo(own.name))]
}

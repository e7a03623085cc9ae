import type { ClusterNetworkPolicy, NetworkPolicy, PolicyAction, PolicyTelling } from '@weft/api'
import { type Chain, chain, type Comment, comment, counter, goTo, returnToCaller, type Rule, rule, type Statement } from '@weft/nftables'
import { formatPlaces, type MergedRule, mergeRules, splitNetworks } from './merge-rules.ts'
import { commentOf, type Direction, policyChainName } from './names.ts'
import type { PolicyHead } from './policy-head.ts'
import { type CompileContext, RuleCompiler, type UsedSets } from './rule-compiler.ts'
import { asked, verdicts } from './table.ts'
import { type Teller, tellerOf } from './tellers.ts'
import type { Told } from './told.ts'

/** What one policy becomes: chains, and the sets their rules look things up in. */
export interface CompiledPolicy extends UsedSets {
  readonly head: PolicyHead
  readonly chains: Readonly<Partial<Record<Direction, Chain>>>
  /** Chains that log what the rules say. */
  readonly tellers: readonly Teller[]
  /** Where it has more rules than are put in the kernel for one policy: from there on it allows nothing. */
  readonly cut: readonly Direction[]
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
  const wordsOf = (direction: Direction, action: PolicyAction, places: readonly number[]): readonly (Statement | Comment)[] => {
    const place = places.length === 0 ? direction : formatPlaces(direction, places)
    // After Baseline comes what Kubernetes does without policies.
    const verdict = verdicts[direction][action === 'Pass' && tier === 'Baseline' ? 'Accept' : action]
    return [counter(), ...said(source.telling, { action, verdict, tell: (word, after) => tell({ verdict: word, direction, rule: place }, after) }), comment(ruleComment(key, place))]
  }
  /** Rules in their order, each compiled when its turn comes. */
  function* parts(direction: Direction): Iterable<() => readonly Rule[]> {
    for (const { action, rules } of runsOf(source, direction)) {
      const { networks, others } = splitNetworks(rules)
      const together = networks.length === 0 ? [] : compiler.compileNetworks(direction, networks.map((each) => each.rule), wordsOf(direction, action, networks.flatMap(({ places }) => places).toSorted((a, b) => a - b)))
      if (together !== undefined) yield () => together
      for (const each of together === undefined ? rules : others) yield () => compiler.compile(direction, each.rule, wordsOf(direction, action, each.places))
    }
  }
  const cut: Direction[] = []
  for (const direction of head.ruled) {
    const rules: Rule[] = []
    for (const each of parts(direction)) {
      if (rules.length >= context.rulesAtMost) {
        cut.push(direction)
        break
      }
      rules.push(...each())
    }
    // Nobody knows what the rest would deny.
    if (cut.includes(direction) && 'tier' in source) rules.push(rule(...wordsOf(direction, 'Deny', [])))
    chains[direction] = chain(policyChainName(direction, key), rules, { comment: commentOf(key) })
  }
  return { head, chains, tellers, cut, ...compiler.sets }
}

/** What stands beside a rule in the kernel, and is read back with its counter. */
export function ruleComment(policy: string, place: string): string {
  return commentOf(`${policy} ${place}`)
}

/** Rules of which it does not matter which one matches. */
interface Run {
  readonly action: PolicyAction
  readonly rules: readonly MergedRule[]
}

/**
 * The rules of a direction, in an order in which the first that matches decides. Those that say the same one after the other are merged, unless each is to be told or counted by itself.
 */
function runsOf(source: NetworkPolicy | ClusterNetworkPolicy, direction: Direction): readonly Run[] {
  const { log, audit, counters } = source.telling
  const rules = 'tier' in source ? source[direction] : source[direction]!.map((each) => ({ ...each, action: 'Accept' as const }))
  const runs: { readonly action: PolicyAction, readonly rules: MergedRule[] }[] = []
  for (const [index, each] of rules.entries()) {
    const last = runs.at(-1)
    const single: MergedRule = { rule: each, places: [index] }
    if (last?.action === each.action && log === 'none' && !audit && !counters) last.rules.push(single)
    else runs.push({ action: each.action, rules: [single] })
  }
  return runs.map(({ action, rules: run }) => ({ action, rules: mergeRules(run) }))
}

/** What a rule does with what it matches, where the policy is to be logged or only to be watched. */
function said({ log, audit }: PolicyTelling, { action, verdict, tell }: { readonly action: PolicyAction, readonly verdict: readonly Statement[], readonly tell: (word: Told['verdict'], after: readonly Statement[]) => readonly Statement[] }): readonly Statement[] {
  if (audit) return action === 'Deny' ? tell('audit', []) : [returnToCaller]
  const word = action === 'Accept' ? 'allowed' : 'denied'
  return action !== 'Pass' && (log === 'all' || log === word) ? tell(word, verdict) : verdict
}

/** The rules that ask a policy for its verdict from the chain of its list; one that has decided ends the list. */
export function asks(direction: Direction, { head, chains }: CompiledPolicy): readonly Rule[] {
  const own = chains[direction]!
  return head.passes.includes(direction) ? own.rules : asked(direction, [own.name], returnToCaller)
}

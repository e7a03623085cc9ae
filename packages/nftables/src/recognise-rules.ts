import { ruleFingerprint } from './batch.ts'
import type { RuleState, TableState } from './nft.ts'
import type { Rule, Table } from './table.ts'

/** A rule in a table of ours that is none of ours, or none of those we know now. */
export interface StrangeRule {
  readonly chain: string
  readonly rule: RuleState
}

/**
 * Puts rules to the fingerprints that were read back: rules are never decoded (DESIGN.md), so those of a table are known if they
 * are among `known`, whatever their chain.
 *
 * @param known A table that has every rule we might have written.
 * @returns The table with the rules that are known, in the kernel's order, and the others.
 */
export function recogniseRules(state: TableState, known: Table): { readonly table: Table, readonly strange: readonly StrangeRule[] } {
  const rules = new Map<string, Rule>(known.chains.flatMap((chain) => chain.rules.map((rule) => [ruleFingerprint(state.name, rule), rule] as const)))
  const strange: StrangeRule[] = []
  const chains = state.table.chains.map((chain) => ({
    ...chain,
    rules: (state.rules.get(chain.name) ?? []).flatMap((rule) => {
      const ours = rule.fingerprint === undefined ? undefined : rules.get(rule.fingerprint)
      if (ours === undefined) strange.push({ chain: chain.name, rule })
      return ours ?? []
    }),
  }))
  return { table: { ...state.table, chains }, strange }
}

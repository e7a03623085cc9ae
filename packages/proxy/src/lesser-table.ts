import { drop, type Rule, type Table } from '@weft/nftables'
import type { Lack } from './kernel-features.ts'

/** The table for a kernel that lacks something: each rule that needs it is gone, or does the next best. */
export function lesserTable(table: Table, lacks: ReadonlySet<Lack> | undefined): Table {
  if (lacks === undefined || lacks.size === 0) return table
  return { ...table, chains: table.chains.map((chain) => ({ ...chain, rules: chain.rules.flatMap((rule) => lesserRule(rule, lacks)) })) }
}

function lesserRule(rule: Rule, lacks: ReadonlySet<Lack>): readonly Rule[] {
  if (lacks.has('fib') && rule.statements.some((statement) => statement.kind === 'match' && statement.left.kind === 'fib')) return []
  return lacks.has('reject') ? [{ ...rule, statements: rule.statements.map((statement) => (statement.kind === 'reject' ? drop : statement)) }] : [rule]
}

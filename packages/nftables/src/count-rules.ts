import { ruleFingerprint } from './batch.ts'
import type { TableState } from './nft.ts'
import type { Table } from './table.ts'

/** A table of ours with the kernel's figures in its counters: rules are told by what they say and where they are. */
export function countRules(table: Table, state: TableState): Table {
  const chains = table.chains.map((chain) => {
    const counted = new Map((state.rules.get(chain.name) ?? []).flatMap(({ fingerprint, counter }) => (fingerprint === undefined || counter === undefined ? [] : [[fingerprint, counter]])))
    if (counted.size === 0) return chain
    return { ...chain, rules: chain.rules.map((rule) => {
      const counter = counted.get(ruleFingerprint(state.name, rule))
      return counter === undefined ? rule : { ...rule, statements: rule.statements.map((statement) => (statement.kind === 'counter' ? { ...statement, ...counter } : statement)) }
    }) }
  })
  return { ...table, chains }
}

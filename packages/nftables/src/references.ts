import type { Expression } from './expression.ts'
import { isExpression } from './protocol-context.ts'
import type { Statement } from './statement.ts'
import type { Rule } from './table.ts'

/** What a rule names: it cannot be loaded without them, and they cannot be deleted before it. */
export interface References {
  readonly chains: readonly string[]
  readonly sets: readonly string[]
  readonly counters: readonly string[]
}

/** Collects the names in a rule. */
export function referencesOf(rule: Rule): References {
  const found = { chains: new Set<string>(), sets: new Set<string>(), counters: new Set<string>() }
  for (const statement of rule.statements) inStatement(statement, found)
  return { chains: [...found.chains], sets: [...found.sets], counters: [...found.counters] }
}

interface Found {
  readonly chains: Set<string>
  readonly sets: Set<string>
  readonly counters: Set<string>
}

function inStatement(statement: Statement, found: Found): void {
  switch (statement.kind) {
    case 'match': case 'flags': inExpression(statement.left, found); break
    case 'membership':
      inExpression(statement.left, found)
      if (typeof statement.set === 'string') found.sets.add(statement.set)
      break
    case 'vmap':
      inExpression(statement.key, found)
      if (typeof statement.map === 'string') found.sets.add(statement.map)
      else for (const [, verdict] of statement.map) if (verdict.chain !== undefined) found.chains.add(verdict.chain)
      break
    case 'verdict': if (statement.chain !== undefined) found.chains.add(statement.chain); break
    case 'nat': if (isExpression(statement.address)) inExpression(statement.address, found); break
    case 'set': inExpression(statement.value, found); break
    case 'dynamic':
      inExpression(statement.key, found)
      if (statement.data) inExpression(statement.data, found)
      found.sets.add(statement.set)
      break
    case 'named-counter': found.counters.add(statement.name); break
    case 'masquerade': case 'redirect': case 'counter': case 'log': case 'reject': case 'limit': case 'notrack': break
  }
}

function inExpression(expression: Expression, found: Found): void {
  switch (expression.kind) {
    case 'concat': for (const part of expression.parts) inExpression(part, found); break
    case 'bits': case 'jhash': inExpression(expression.of, found); break
    case 'lookup':
      inExpression(expression.key, found)
      found.sets.add(expression.map)
      break
    case 'anonymous-map': inExpression(expression.key, found); break
    case 'payload': case 'meta': case 'ct': case 'fib': case 'numgen': case 'constant': break
  }
}

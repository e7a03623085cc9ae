import type { DataTypeName } from './data-type.ts'
import { type AnonymousMap, type Expression, typesOf } from './expression.ts'
import { hasRange } from './format-statement.ts'
import type { ResolvedStatement } from './protocol-context.ts'
import { isExpression } from './protocol-context.ts'
import type { Membership, Statement, Verdict, VerdictMap } from './statement.ts'
import type { MapDeclaration, MapElement, SetDeclaration, SetElement } from './table.ts'
import type { Tuple } from './value.ts'

/** A set written inside a rule, as a declaration of its own; `of` is the node it was written in. */
export interface AnonymousSet {
  readonly of: Membership | VerdictMap | AnonymousMap
  readonly declaration: SetDeclaration | MapDeclaration
}

/** The sets that must be made before a rule, in order. */
export function anonymousSets(statements: readonly ResolvedStatement[]): readonly AnonymousSet[] {
  return statements.flatMap(({ statement }) => inStatement(statement))
}

function inStatement(statement: Statement): AnonymousSet[] {
  switch (statement.kind) {
    case 'membership': {
      const inner = inExpression(statement.left)
      if (typeof statement.set === 'string') return inner
      const elements = statement.set.map((key): SetElement => ({ key }))
      return [...inner, { of: statement, declaration: declaration(typesOf(statement.left), elements) }]
    }
    case 'vmap': {
      const inner = inExpression(statement.key)
      if (typeof statement.map === 'string') return inner
      const elements = statement.map.map(([key, data]): MapElement => ({ key, data }))
      return [...inner, { of: statement, declaration: { ...declaration(typesOf(statement.key), elements), kind: 'map', data: 'verdict', elements } }]
    }
    case 'match': case 'flags': return inExpression(statement.left)
    case 'nat': return isExpression(statement.address) ? inExpression(statement.address) : []
    case 'set': return inExpression(statement.value)
    case 'dynamic': return [...inExpression(statement.key), ...(statement.data ? inExpression(statement.data) : [])]
    case 'verdict': case 'masquerade': case 'redirect': case 'counter': case 'named-counter': case 'log': case 'reject': case 'limit': case 'notrack': return []
  }
}

function inExpression(expression: Expression): AnonymousSet[] {
  switch (expression.kind) {
    case 'concat': return expression.parts.flatMap(inExpression)
    case 'bits': case 'jhash': return inExpression(expression.of)
    case 'lookup': return inExpression(expression.key)
    case 'anonymous-map': {
      const elements = expression.entries.map(([key, data]: readonly [Tuple, Tuple | Verdict]): MapElement => ({ key, data }))
      const own = { ...declaration(typesOf(expression.key), elements), kind: 'map' as const, data: expression.data, elements }
      return [...inExpression(expression.key), { of: expression, declaration: own }]
    }
    case 'payload': case 'meta': case 'ct': case 'fib': case 'numgen': case 'constant': return []
  }
}

function declaration(key: readonly DataTypeName[], elements: readonly SetElement[]): SetDeclaration {
  const isInterval = hasRange(key, elements.map((element) => element.key))
  return { kind: 'set', name: '', key, flags: isInterval ? ['constant', 'interval'] : ['constant'], counter: false, elements }
}

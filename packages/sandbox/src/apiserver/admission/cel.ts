// Read first: https://kubernetes.io/docs/reference/using-api/cel/ and the language definition of cel-spec.
import { Environment } from '@marcbachmann/cel-js'
import type { Json } from '../json.ts'

/** A compiled expression. */
export interface CelExpression {
  /** @throws {Error} In the words of the evaluation, e.g. for a field that does not exist. */
  evaluate(values: CelValues): unknown
}

const celVariables = ['object', 'oldObject', 'request', 'namespaceObject', 'variables'] as const

/** What an expression may name. */
export type CelValues = Readonly<Record<(typeof celVariables)[number], unknown>>

/** Objects have no declared types here, so fields are found when they are evaluated, as for custom resources without a schema. */
const environment = new Environment({ enableOptionalTypes: true, homogeneousAggregateLiterals: false, unlistedVariablesAreDyn: false })
for (const name of celVariables) environment.registerVariable(name, 'dyn')

/**
 * Parses and checks an expression.
 *
 * @param type What it must give; any when absent.
 * @throws {SyntaxError} For what does not parse, names that are not there, functions that are not known.
 */
export function compileCel(expression: string, type?: 'bool' | 'string'): CelExpression {
  try {
    const parsed = environment.parse(expression)
    const checked = parsed.check()
    if (!checked.valid) throw checked.error
    if (type !== undefined && checked.type !== type && checked.type !== 'dyn') throw new SyntaxError(`Cannot use expression: it gives ${checked.type}, wanted ${type}`)
    return { evaluate: (values) => parsed(values) }
  } catch (error) {
    throw new SyntaxError(error instanceof Error ? error.message.split('\n', 1)[0]! : String(error), { cause: error })
  }
}

/** A JSON value as CEL has it: whole numbers are integers. */
export function celValue(value: Json | undefined): unknown {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value
  if (Array.isArray(value)) return value.map((item) => celValue(item))
  if (typeof value === 'object' && value !== null) return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined).map(([name, member]) => [name, celValue(member)]))
  return value ?? null
}

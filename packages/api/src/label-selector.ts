import type { Field } from './field.ts'

/** One requirement of a label selector; `matchLabels` entries become `In` with one value. */
export interface LabelRequirement {
  readonly key: string
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist'
  readonly values: readonly string[]
}

/** All requirements must hold; none at all selects everything. */
export type LabelSelector = readonly LabelRequirement[]

const operators = ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const

/**
 * Reads a `metav1.LabelSelector`. Requirements are sorted, so equal selectors have equal values.
 *
 * @throws {InvalidObjectError} For an unknown operator, `In`/`NotIn` without values, `Exists`/`DoesNotExist` with values.
 */
export function readLabelSelector(field: Field): LabelSelector {
  const requirements: LabelRequirement[] = []
  for (const [key, value] of Object.entries(field.get('matchLabels').stringMap())) requirements.push({ key, operator: 'In', values: [value] })
  for (const expression of field.get('matchExpressions').list()) {
    const operator = expression.get('operator').oneOf(operators)
    const values = expression.get('values').list().map((value) => value.string()).sort()
    const wantsValues = operator === 'In' || operator === 'NotIn'
    if (wantsValues !== values.length > 0)
      throw expression.get('values').fail(wantsValues ? `is empty, operator ${operator} wants at least one` : `is not empty, operator ${operator} wants none`)
    requirements.push({ key: expression.get('key').string(), operator, values })
  }
  return requirements.sort((a, b) => compareText(formatRequirement(a), formatRequirement(b)))
}

/** Whether the labels satisfy the selector (`NotIn` and `DoesNotExist` hold for an absent key, as in Kubernetes). */
export function selectorMatches(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  return selector.every(({ key, operator, values }) => {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined
    switch (operator) {
      case 'In': return value !== undefined && values.includes(value)
      case 'NotIn': return value === undefined || !values.includes(value)
      case 'Exists': return value !== undefined
      case 'DoesNotExist': return value === undefined
      default: return operator satisfies never
    }
  })
}

/** As `kubectl` prints it, e.g. `app in (a,b),!legacy`; `<all>` when nothing is required. Equal selectors print equal text. */
export function formatLabelSelector(selector: LabelSelector): string {
  return selector.length === 0 ? '<all>' : selector.map(formatRequirement).join(',')
}

function formatRequirement({ key, operator, values }: LabelRequirement): string {
  switch (operator) {
    case 'In': return values.length === 1 ? `${key}=${values[0]}` : `${key} in (${values.join(',')})`
    case 'NotIn': return `${key} notin (${values.join(',')})`
    case 'Exists': return key
    case 'DoesNotExist': return `!${key}`
    default: return operator satisfies never
  }
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Field } from './field.ts'
import { formatLabelSelector, type LabelSelector, readLabelSelector, selectorMatches } from './label-selector.ts'

const read = (object: unknown): LabelSelector => readLabelSelector(new Field('NetworkPolicy default/p', 'spec.podSelector', object))

interface Source {
  readonly matchLabels: Readonly<Record<string, string>>
  readonly matchExpressions: readonly { readonly key: string, readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist', readonly values: readonly string[] }[]
}

/** The rules of metav1.LabelSelector word by word. */
function matchesSlowly({ matchLabels, matchExpressions }: Source, labels: ReadonlyMap<string, string>): boolean {
  for (const [key, value] of Object.entries(matchLabels)) if (labels.get(key) !== value) return false
  for (const { key, operator, values } of matchExpressions) {
    const has = labels.has(key)
    if (operator === 'Exists' && !has) return false
    if (operator === 'DoesNotExist' && has) return false
    if (operator === 'In' && !(has && values.some((value) => value === labels.get(key)))) return false
    if (operator === 'NotIn' && has && values.some((value) => value === labels.get(key))) return false
  }
  return true
}

const key = fc.constantFrom('app', 'tier', 'constructor', '__proto__', 'toString')
const value = fc.constantFrom('a', 'b', '')
const labels = fc.uniqueArray(fc.tuple(key, value), { selector: ([name]) => name })
const mapOf = (entries: readonly (readonly [string, string])[]): Record<string, string> => {
  const map = Object.create(null) as Record<string, string>
  for (const [name, text] of entries) map[name] = text
  return map
}
const sources: fc.Arbitrary<Source> = fc.record({
  matchLabels: labels.map(mapOf),
  matchExpressions: fc.array(fc.oneof(
    fc.record({ key, operator: fc.constantFrom('In' as const, 'NotIn' as const), values: fc.array(value, { minLength: 1, maxLength: 3 }) }),
    fc.record({ key, operator: fc.constantFrom('Exists' as const, 'DoesNotExist' as const), values: fc.constant([]) }),
  ), { maxLength: 3 }),
})

describe('selectorMatches()', () => {
  test('A5 agrees with the slow reference, keys of prototypes included', () => {
    fc.assert(fc.property(sources, labels, (source, entries) => {
      expect(selectorMatches(read(source), mapOf(entries))).toBe(matchesSlowly(source, new Map(entries)))
    }), { numRuns: 500 })
  })

  test('nothing required selects everything', () => {
    expect([selectorMatches(read({}), {}), selectorMatches(read(undefined), mapOf([['a', 'b']]))]).toEqual([true, true])
    expect(formatLabelSelector(read({}))).toBe('<all>')
  })
})

describe('readLabelSelector()', () => {
  test('A5 equal selectors have equal values and text whatever the order', () => {
    fc.assert(fc.property(sources, ({ matchLabels, matchExpressions }) => {
      const turned = { matchLabels: mapOf(Object.entries(matchLabels).toReversed()), matchExpressions: matchExpressions.toReversed().map((each) => ({ ...each, values: each.values.toReversed() })) }
      expect(read(turned)).toEqual(read({ matchLabels, matchExpressions }))
      expect(formatLabelSelector(read(turned))).toBe(formatLabelSelector(read({ matchLabels, matchExpressions })))
    }))
  })
})

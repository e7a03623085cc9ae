import { describe, expect, test } from 'vitest'
import { behavioursByPackage, readmeOf, testedBehaviours, withBehaviours } from '../scripts/behaviours.ts'
import { read } from '../scripts/workspace.ts'

const byPackage = behavioursByPackage()

describe('behaviours', () => {
  test.each([...byPackage])('packages/%s/README.md has the table that tests and behaviours.yaml make', (name, behaviours) => {
    expect(withBehaviours(read(readmeOf(name)), name, behaviours)).toBe(read(readmeOf(name)))
  })

  test('what tests name is in the list of one package', () => {
    const known = [...byPackage.values()].flatMap((behaviours) => behaviours.map(({ id }) => id))
    expect(known).toEqual([...new Set(known)])
    expect([...testedBehaviours()].filter(([id]) => !known.includes(id))).toEqual([])
  })

  test('what is not ours has no test', () => {
    expect([...byPackage.values()].flat().filter(({ out, tests }) => out !== undefined && tests.length > 0).map(({ id }) => id)).toEqual([])
  })
})

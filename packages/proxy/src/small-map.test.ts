import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SmallMap } from './small-map.ts'

describe('SmallMap', () => {
  test('is a map', () => {
    const key = fc.constantFrom('a', 'b', 'c')
    fc.assert(fc.property(fc.array(fc.oneof(fc.record({ set: key, value: fc.nat() }), fc.record({ delete: key }))), (steps) => {
      const [small, map] = [new SmallMap<number>(), new Map<string, number>()]
      for (const step of steps) {
        if ('set' in step) {
          small.set(step.set, step.value)
          map.set(step.set, step.value)
        } else {
          small.delete(step.delete)
          map.delete(step.delete)
        }
        expect([small.size, [...small.keys()], [...small.values()], [...small.entries()], small.get('a')]).toEqual([map.size, [...map.keys()], [...map.values()], [...map.entries()], map.get('a')])
      }
    }))
  })
})

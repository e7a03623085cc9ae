import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { BitmapAllocator } from './bitmap-allocator.ts'

/** The slow and obvious reference: the first number, going round, that is not in the set. */
function firstFree(taken: ReadonlySet<number>, size: number, from: number): number | undefined {
  for (let step = 0; step < size; step += 1) if (!taken.has((from + step) % size)) return (from + step) % size
  return undefined
}

describe('BitmapAllocator', () => {
  test('does what a set does, after any calls (B1, B2)', () => {
    const call = fc.oneof(
      fc.record({ verb: fc.constant('allocate' as const), number: fc.nat(300) }),
      fc.record({ verb: fc.constantFrom('take' as const, 'release' as const), number: fc.nat(300) }),
    )
    fc.assert(fc.property(fc.integer({ min: 1, max: 140 }), fc.array(call, { maxLength: 250 }), (size, calls) => {
      const bitmap = new BitmapAllocator(size)
      const taken = new Set<number>()
      for (const { verb, number } of calls) {
        const index = number % size
        if (verb === 'allocate') {
          const wanted = firstFree(taken, size, number)
          expect(bitmap.allocate(number)).toBe(wanted)
          if (wanted !== undefined) taken.add(wanted)
        } else if (verb === 'take') {
          expect(bitmap.take(index)).toBe(!taken.has(index))
          taken.add(index)
        } else {
          expect(bitmap.release(index)).toBe(taken.delete(index))
        }
        expect([bitmap.has(index), bitmap.free]).toEqual([taken.has(index), size - taken.size])
      }
    }), { numRuns: 300 })
  })

  test.each([1, 31, 32, 33, 64, 100, 256])('allocate() gives each of %i numbers once, then none (B1)', (size) => {
    const bitmap = new BitmapAllocator(size)
    const given = Array.from({ length: size }, () => bitmap.allocate(size - 1))
    expect(new Set(given).size).toBe(size)
    expect(given[0]).toBe(size - 1)
    expect([bitmap.free, bitmap.allocate(), bitmap.allocate(5)]).toEqual([0, undefined, undefined])
  })

  test('allocate() round robin reuses a number only after all others (B2, IPAM-3)', () => {
    const bitmap = new BitmapAllocator(8)
    let last = -1
    const next = (): number => (last = bitmap.allocate(last + 1)!)
    expect([next(), next(), next()]).toEqual([0, 1, 2])
    bitmap.release(0)
    bitmap.release(1)
    expect([next(), next(), next(), next(), next(), next()]).toEqual([3, 4, 5, 6, 7, 0])
  })

  test('refuses sizes and numbers out of range (B3)', () => {
    for (const size of [-1, 1.5, Number.NaN, 2 ** 26 + 1]) expect(() => new BitmapAllocator(size)).toThrow(RangeError)
    const bitmap = new BitmapAllocator(40)
    for (const number of [-1, 40, 63, 1.5, Number.NaN]) {
      expect(() => bitmap.has(number)).toThrow(RangeError)
      expect(() => bitmap.take(number)).toThrow(RangeError)
      expect(() => bitmap.release(number)).toThrow(RangeError)
    }
    for (const from of [-1, 1.5, Number.NaN]) expect(() => bitmap.allocate(from)).toThrow(RangeError)
    expect(bitmap.free).toBe(40)
  })

  test('an allocator of nothing gives nothing', () => {
    expect([new BitmapAllocator(0).allocate(), new BitmapAllocator(0).free]).toEqual([undefined, 0])
  })
})

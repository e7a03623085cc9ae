import { describe, expect, test } from 'vitest'
import { interleave, percentile } from './bench.ts'

describe('interleave()', () => {
  test('takes turns, drops the first round and gives medians', async () => {
    const order: string[] = []
    const series = (name: string, figures: number[]) => (): number => {
      order.push(name)
      return figures.shift()!
    }
    const result = await interleave({ rounds: 3, ours: series('ours', [900, 3, 1, 2]), peer: series('peer', [900, 30, 10, 20]) })
    expect(result).toEqual({ ours: 2, peer: 20 })
    expect(order.join(' ')).toBe('ours peer ours peer ours peer ours peer')
  })
})

describe('percentile()', () => {
  test('is the nearest rank', () => {
    const figures = Array.from({ length: 100 }, (_, index) => 100 - index)
    expect([0, 1, 50, 99, 100].map((percent) => percentile(figures, percent))).toEqual([1, 1, 50, 99, 100])
    expect(percentile([], 50)).toBeNaN()
  })
})

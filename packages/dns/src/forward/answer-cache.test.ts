import { describe, expect, test } from 'vitest'
import { emptyAnswer } from '../zone/answer.ts'
import { configOf } from '../../test/running.ts'
import { AnswerCache } from './answer-cache.ts'
import type { UpstreamAnswer } from './upstream-answer.ts'

const config = configOf().cache
const answer = (ttlSeconds: number, options: { readonly negative?: boolean, readonly bytes?: number } = {}): UpstreamAnswer =>
  ({ answer: { ...emptyAnswer, bytes: new Uint8Array(options.bytes ?? 16) }, ttlSeconds, negative: options.negative ?? false })

describe('AnswerCache', () => {
  test('DNS-79: counts the age, then is stale, then gone', () => {
    const cache = new AnswerCache({ ...config, serveStale: 60_000 })
    cache.put('a', answer(10), 0)
    expect(cache.get('a', 9_999)).toMatchObject({ ageSeconds: 9, stale: false })
    expect(cache.get('a', 10_000)).toMatchObject({ stale: true })
    expect(cache.get('a', 70_000)).toMatchObject({ stale: true })
    expect(cache.get('a', 70_001)).toBeUndefined()
  })

  test('is due for a refresh when asked for often and nearly over', () => {
    const cache = new AnswerCache(config)
    cache.put('a', answer(100), 0)
    expect(cache.get('a', 95_000)).toMatchObject({ due: false })
    cache.get('a', 95_000)
    expect(cache.get('a', 95_000)).toMatchObject({ due: true })
    expect(cache.get('a', 50_000)).toMatchObject({ due: false })
  })

  test('a flood of names that do not exist leaves those that do alone', () => {
    const cache = new AnswerCache({ ...config, maxEntries: 100 })
    cache.put('good', answer(100), 0)
    for (let n = 0; n < 10_000; n++) cache.put(`bad-${n}`, answer(30, { negative: true }), 0)
    expect(cache.get('good', 1)).toBeDefined()
    expect(cache.size).toBe(101)
  })

  test('is bounded in bytes too', () => {
    const cache = new AnswerCache({ ...config, maxBytes: 65_536 })
    for (let n = 0; n < 1000; n++) cache.put(`n${n}`, answer(30, { bytes: 8192 }), 0)
    expect(cache.size).toBeLessThan(8)
  })

  test('a positive answer replaces a negative one', () => {
    const cache = new AnswerCache(config)
    cache.put('a', answer(30, { negative: true }), 0)
    cache.put('a', answer(30, { bytes: 20 }), 0)
    expect(cache.size).toBe(1)
    expect(cache.get('a', 0)?.answer.bytes).toHaveLength(20)
  })

  test('maxEntries 0 keeps nothing', () => {
    const cache = new AnswerCache({ ...config, maxEntries: 0 })
    cache.put('a', answer(30), 0)
    expect(cache.get('a', 0)).toBeUndefined()
  })
})

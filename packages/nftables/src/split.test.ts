import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeBatch, type EncodedBatch } from './batch.ts'
import { baseChain, chain, drop, goTo, ip, isIn, map, rule, set, table, Transaction, vmap } from './index.ts'
import { splitBatch } from './split.ts'

type Kind = 'declaration' | 'element' | 'fixed'

function batchOf(list: readonly (readonly [kind: Kind, size: number])[]): EncodedBatch {
  let start = 0
  const messages = list.map(([kind, size], operation) => {
    const message = { start, operation, isData: kind !== 'fixed', isElement: kind === 'element' }
    start += size
    return message
  })
  return { bytes: new Uint8Array(start), messages }
}

test('splitBatch() puts data first and keeps what belongs together in one batch', () => {
  const batch = batchOf([['declaration', 10], ['element', 60], ['element', 60], ['fixed', 30], ['declaration', 5], ['fixed', 30], ['element', 60]])
  expect(splitBatch(batch, 1000)).toEqual([[0, 1, 2, 3, 4, 5, 6]])
  expect(splitBatch(batch, 100)).toEqual([[0, 1], [2], [3, 4, 5], [6]])
  expect(splitBatch(batch, 60)).toBeUndefined()
})

test('splitBatch() lets elements follow when a replaced table does not fit', () => {
  const batch = batchOf([['fixed', 10], ['declaration', 10], ['element', 80], ['element', 80], ['fixed', 50]])
  expect(splitBatch(batch, 100)).toEqual([[0, 1, 4], [2], [3]])
})

test('splitBatch() loads the sets of a new table ahead: verdicts and rules come in one batch', () => {
  const allowed = set('allowed', { key: ['ipv4_addr'], elements: Array.from({ length: 20_000 }, (_, index) => ({ key: `10.0.${index >> 8}.${index & 255}` })) })
  const pods = map('pods', { key: ['ipv4_addr'], data: 'verdict', elements: [{ key: '10.244.0.1', data: goTo('closed') }] })
  const chains = [baseChain('forward', { type: 'filter', hook: 'forward', priority: 0 }, [rule(isIn(ip.saddr, allowed), vmap(ip.daddr, pods))]), chain('closed', [rule(drop)])]
  const tx = new Transaction({ family: 'inet', name: 'demo' }).addAll(table({ name: 'demo', sets: [allowed], maps: [pods], chains }))
  const batch = encodeBatch(tx.table, tx.operations, { canDestroy: true })
  const parts = splitBatch(batch, Math.ceil(batch.bytes.length / 2))!
  const last = new Set(parts.at(-1))
  expect(parts.length).toBeGreaterThan(1)
  expect(batch.messages.flatMap(({ operation }, index) => (last.has(index) ? [] : [tx.operations[operation]!.object])).every((object) => ['table', 'set', 'element'].includes(object))).toBe(true)
  expect(tx.operations.filter(({ object }) => object === 'rule' || object === 'chain').length).toBe(batch.messages.filter(({ operation }, index) => last.has(index) && ['rule', 'chain'].includes(tx.operations[operation]!.object)).length)
})

test('splitBatch() loses nothing, fits the limit and never tears what is fixed', () => {
  const message = fc.tuple(fc.constantFrom<Kind>('declaration', 'element', 'fixed'), fc.integer({ min: 1, max: 50 }))
  fc.assert(fc.property(fc.array(message), fc.integer({ min: 50, max: 400 }), (list, limit) => {
    const parts = splitBatch(batchOf(list), limit)
    if (parts === undefined) return
    expect(parts.flat().toSorted((a, b) => a - b)).toEqual(list.map((_, index) => index))
    for (const part of parts) expect(part.reduce((sum, index) => sum + list[index]![1], 0)).toBeLessThanOrEqual(limit)
    expect(parts.filter((part) => part.some((index) => list[index]![0] === 'fixed')).length).toBeLessThanOrEqual(1)
  }))
})

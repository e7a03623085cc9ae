import { ManualClock } from '@weft/daemon/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { isConflict, isNotFound } from './errors.ts'
import { FakeApi } from './testing/fake-api.ts'
import { thing, thingsPath } from './testing/fixture.ts'
import { MemoryClient } from './testing/memory-client.ts'
import { retrying, updateWithRetry } from './update.ts'

const path = '/apis/weft.test/v1/namespaces/shop/things/a'
let api: FakeApi
let client: MemoryClient
let clock: ManualClock

interface Counted {
  readonly spec: { readonly value: number }
}

beforeEach(() => {
  api = new FakeApi()
  client = new MemoryClient(api)
  clock = new ManualClock()
  api.put(thingsPath, thing('a', 0))
})

const increment = (object: Counted): Counted => ({ ...object, spec: { value: object.spec.value + 1 } })

async function patiently<T>(work: Promise<T>): Promise<T> {
  // It may fail before anybody waits for it.
  work.catch(() => {})
  for (let second = 0; second < 60; second += 1) await clock.advance(1_000)
  return await work
}

describe('updateWithRetry()', () => {
  test('loses no update of concurrent writers', async () => {
    await patiently(Promise.all(Array.from({ length: 8 }, async () => await updateWithRetry(client, path, increment, { clock, attempts: 50 }))))
    expect(api.objects(thingsPath)[0]?.spec).toEqual({ value: 8 })
  })

  test('writes nothing when there is nothing to change', async () => {
    const before = api.revision
    await updateWithRetry(client, path, () => undefined, { clock })
    expect(api.revision).toBe(before)
  })

  test('goes on through overload, gives up on what cannot succeed', async () => {
    client.failNext(429, 'TooManyRequests', 5_000)
    client.failNext(503, 'ServiceUnavailable')
    expect(await patiently(updateWithRetry(client, path, increment, { clock }))).toMatchObject({ spec: { value: 1 } })
    await expect(updateWithRetry(client, `${path}x`, increment, { clock })).rejects.toSatisfy(isNotFound)
  })

  test('gives up after its attempts', async () => {
    const other = patiently(updateWithRetry<Counted>(client, path, (object) => {
      api.put(thingsPath, thing('a', 7))
      return increment(object)
    }, { clock, attempts: 3 }))
    await expect(other).rejects.toSatisfy(isConflict)
  })
})

describe('retrying()', () => {
  test('stops when aborted', async () => {
    const stopping = new AbortController()
    client.failNext(500, 'InternalError')
    const work = retrying(async () => await client.request('GET', path), { clock, signal: stopping.signal })
    await clock.advance(0)
    stopping.abort(new Error('stopping'))
    await expect(work).rejects.toThrow('stopping')
  })
})

import { ManualClock } from '@weft/daemon/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { catchUp } from './catch-up.ts'
import { Store } from './store.ts'
import { FakeApi } from './testing/fake-api.ts'
import { type Thing, thing, things, thingsPath } from './testing/fixture.ts'
import { MemoryClient } from './testing/memory-client.ts'

let api: FakeApi
let client: MemoryClient
let clock: ManualClock
let store: Store<Thing>
let stop: AbortController

beforeEach(() => {
  api = new FakeApi()
  client = new MemoryClient(api)
  clock = new ManualClock()
  store = new Store()
  stop = new AbortController()
})

/** Whether it has resolved, looked at after a while. */
function started(optional = false): { readonly isDone: () => Promise<boolean>, readonly promise: Promise<void> } {
  let done = false
  const promise = catchUp(client, { ...things, optional }, store, { clock, signal: stop.signal }).then(() => { done = true })
  promise.catch(() => undefined)
  return { promise, isDone: async () => {
    await clock.advance(50)
    return done
  } }
}
const put = (object: ReturnType<FakeApi['put']>): void => store.put(things.trim(object))

describe('catchUp()', () => {
  test('waits for what the watch has not told yet, and for later versions of what it has', async () => {
    put(api.put(thingsPath, thing('a', 0)))
    expect(await started().isDone()).toBe(true)
    const [b, a] = [api.put(thingsPath, thing('b', 0)), api.put(thingsPath, thing('a', 1))]
    const waiting = started()
    expect(await waiting.isDone()).toBe(false)
    put(b)
    expect(await waiting.isDone()).toBe(false)
    put(a)
    expect(await waiting.isDone()).toBe(true)
  })

  test('does not wait for ever for what is gone meanwhile', async () => {
    api.put(thingsPath, thing('a', 0))
    const waiting = started()
    expect(await waiting.isDone()).toBe(false)
    api.remove(thingsPath, 'shop/a')
    for (let turn = 0; turn < 40; turn += 1) await clock.advance(50)
    expect(await waiting.isDone()).toBe(true)
  })

  test('rejects when it is aborted, or the server has no such kind, unless that may be', async () => {
    api.put(thingsPath, thing('a', 0))
    const waiting = started()
    stop.abort(new Error('deadline'))
    await expect(waiting.promise).rejects.toThrow('deadline')
    stop = new AbortController()
    client.failNext(404, 'NotFound')
    await expect(started().promise).rejects.toMatchObject({ status: 404 })
    client.failNext(404, 'NotFound')
    expect(await started(true).isDone()).toBe(true)
  })
})

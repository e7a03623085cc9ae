import { ManualClock, silentLogger } from '@weft/daemon/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { reflect, type ReflectOptions } from './reflect.ts'
import { Store } from './store.ts'
import { FakeApi } from './testing/fake-api.ts'
import { type Thing, thing, things, thingsPath, valuesIn, valuesOf } from './testing/fixture.ts'
import { MemoryClient } from './testing/memory-client.ts'

let api: FakeApi
let client: MemoryClient
let clock: ManualClock
let store: Store<Thing>
let changes: string[]
let stopping: AbortController
let running: Promise<void>

beforeEach(() => {
  api = new FakeApi()
  client = new MemoryClient(api)
  clock = new ManualClock()
  store = new Store()
  changes = []
  store.subscribe((change) => changes.push(`${change.kind} ${(change.new ?? change.old).name}`))
  stopping = new AbortController()
  running = Promise.resolve()
})

afterEach(async () => {
  stopping.abort()
  await running
})

async function begin(options: Partial<ReflectOptions> = {}, resource = things): Promise<void> {
  running = reflect(client, resource, store, { clock, logger: silentLogger, signal: stopping.signal, rng: () => 0.5, ...options })
  await settle()
}

/** Lets everything happen that needs no time, then what needs this much. */
async function settle(ms = 0): Promise<void> {
  await clock.advance(ms)
}

function inStore(): Record<string, number> {
  return valuesOf(store.values())
}

function inApi(): Record<string, number> {
  return valuesIn(api.objects(thingsPath))
}

for (const watchList of [true, false]) {
  describe(`reflect() ${watchList ? 'streaming' : 'paging'} the initial set`, () => {
    test('syncs and follows', async () => {
      for (let index = 0; index < 7; index += 1) api.put(thingsPath, thing(`t${index}`, index))
      await begin({ watchList, pageSize: 3 })
      expect(store.hasSynced).toBe(true)
      expect(inStore()).toEqual(inApi())
      api.put(thingsPath, thing('t1', 100))
      api.remove(thingsPath, 'shop/t2')
      api.put(thingsPath, thing('new', 1))
      await settle()
      expect(inStore()).toEqual(inApi())
      expect(changes.slice(7)).toEqual(['updated t1', 'removed t2', 'added new'])
      expect(client.requests).toBe(watchList ? 1 : 4)
    })

    test('syncs an empty collection', async () => {
      await begin({ watchList })
      expect(store.hasSynced).toBe(true)
    })

    test('is not synced before the whole set is in', async () => {
      api.put(thingsPath, thing('a', 1))
      client.failNext(500, 'InternalError')
      await begin({ watchList })
      expect(store.hasSynced).toBe(false)
      await settle(1_000)
      expect(store.hasSynced).toBe(true)
    })

    test('410 brings a relist that tells only differences (fault 7)', async () => {
      for (const name of ['a', 'b', 'c']) api.put(thingsPath, thing(name, 1))
      await begin({ watchList })
      client.partition()
      api.put(thingsPath, thing('b', 2))
      api.remove(thingsPath, 'shop/c')
      api.put(thingsPath, thing('d', 1))
      api.compact()
      changes.length = 0
      await settle(3_000)
      expect(changes).toEqual([])
      client.heal()
      await settle(6_000)
      expect(inStore()).toEqual(inApi())
      expect(changes.toSorted()).toEqual(['added d', 'removed c', 'updated b'])
    })

    test('refuses one object and goes on', async () => {
      api.put(thingsPath, thing('good', 1))
      api.put(thingsPath, thing('bad', 'x'))
      const refused: string[] = []
      await begin({ watchList, onRefused: (_object, error) => refused.push(String(error)) })
      expect(store.hasSynced).toBe(true)
      api.put(thingsPath, thing('bad', 2))
      await settle()
      expect(inStore()).toEqual(inApi())
      expect(refused).toEqual(['TypeError: spec.value is string, want a number'])
    })

    test('an empty answer is doubted until it is given twice (fault 10)', async () => {
      for (const name of ['a', 'b']) api.put(thingsPath, thing(name, 1))
      await begin({ watchList })
      changes.length = 0
      api.restore({}, 1)
      await settle(5_000)
      expect(store.size).toBe(2)
      await settle(10_000)
      expect(store.size).toBe(0)
      expect(changes).toEqual(['removed a', 'removed b'])
    })

    test('an empty answer that is taken back changes nothing (fault 10)', async () => {
      for (const name of ['a', 'b']) api.put(thingsPath, thing(name, 1))
      await begin({ watchList })
      const content = api.objects(thingsPath)
      changes.length = 0
      api.restore({}, 1)
      await settle(5_000)
      api.restore({ [thingsPath]: content }, 50)
      await settle(15_000)
      expect(changes).toEqual([])
      api.put(thingsPath, thing('a', 2))
      await settle(1_000)
      expect(inStore()).toEqual(inApi())
    })

    test('losing most of many objects is doubted too, replacing a few is not (fault 10)', async () => {
      for (let index = 0; index < 12; index += 1) api.put(thingsPath, thing(`t${index}`, index))
      await begin({ watchList })
      api.restore({ [thingsPath]: [thing('t1', 1), thing('new', 1)] }, 1)
      await settle(5_000)
      expect(store.size).toBe(12)
      await settle(10_000)
      expect(inStore()).toEqual(inApi())
      api.restore({ [thingsPath]: [thing('other', 1)] }, 1)
      await settle(2_000)
      expect(inStore()).toEqual(inApi())
    })

    test('a kind that is not installed is empty, and looked for again', async () => {
      api.missing.add(thingsPath)
      await begin({ watchList }, { ...things, optional: true })
      expect(store.hasSynced).toBe(true)
      api.missing.delete(thingsPath)
      api.put(thingsPath, thing('a', 1))
      await settle(90_000)
      expect(inStore()).toEqual(inApi())
      expect(store.size).toBe(1)
    })
  })
}

describe('reflect()', () => {
  beforeEach(() => {
    for (const name of ['a', 'b', 'c']) api.put(thingsPath, thing(name, 1))
  })

  test('pages when the server does not stream', async () => {
    api.streams = false
    await begin()
    expect(inStore()).toEqual(inApi())
    expect(client.requests).toBe(3)
  })

  test('keeps the last state while the server is away for an hour, and follows within 5 s after (LIFE-5, fault 6)', async () => {
    await begin()
    changes.length = 0
    client.partition()
    await settle(3_600_000)
    expect(changes).toEqual([])
    api.put(thingsPath, thing('a', 2))
    client.heal()
    await settle(5_000)
    expect(inStore()).toEqual(inApi())
    expect(changes).toEqual(['updated a'])
    expect(client.requests).toBeLessThan(2_000)
  })

  test('notices a server that came back with an older history', async () => {
    for (let value = 0; value < 50; value += 1) api.put(thingsPath, thing('a', value))
    await begin()
    client.partition()
    api.restore({ [thingsPath]: [thing('a', 1), thing('b', 2)] }, 3)
    client.heal()
    await settle(5_000)
    expect(inStore()).toEqual(inApi())
    api.put(thingsPath, thing('b', 3))
    await settle(1_000)
    expect(inStore()).toEqual(inApi())
  })

  test('resumes where it was after a cut, without a relist', async () => {
    await begin()
    changes.length = 0
    client.cut()
    api.put(thingsPath, thing('a', 2))
    await settle(1_000)
    expect(changes).toEqual(['updated a'])
    // The first stream, one look at the history, one watch.
    expect(client.requests).toBe(3)
  })

  test('waits as long as 429 asks for (fault 8)', async () => {
    await begin()
    client.failNext(429, 'TooManyRequests', 20_000)
    api.endWatches()
    await settle(1_500)
    const before = client.requests
    await settle(19_000)
    expect(client.requests).toBe(before)
    api.put(thingsPath, thing('a', 2))
    await settle(6_000)
    expect(inStore()).toEqual(inApi())
  })

  test('an ERROR event with 410 is as good as an answer with 410 (fault 8)', async () => {
    await begin()
    client.replay({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' } })
    await settle(2_000)
    api.put(thingsPath, thing('a', 2))
    await settle()
    expect(inStore()).toEqual(inApi())
  })

  test('garbage costs a reconnect, garbage without end a list (fault 8)', async () => {
    await begin()
    changes.length = 0
    for (let index = 0; index < 5; index += 1) {
      client.garble()
      api.put(thingsPath, thing('a', index + 2))
      await settle(20_000)
    }
    expect(inStore()).toEqual(inApi())
    expect(changes.every((change) => change === 'updated a')).toBe(true)
  })

  test('duplicates and replays change nothing (fault 9)', async () => {
    await begin()
    const [old] = api.objects(thingsPath)
    api.put(thingsPath, thing('a', 2))
    api.remove(thingsPath, 'shop/b')
    await settle()
    changes.length = 0
    client.replay({ type: 'MODIFIED', object: old })
    client.replay({ type: 'DELETED', object: old })
    await settle()
    expect(changes).toEqual([])
    expect(inStore()).toEqual(inApi())
  })

  test('bookmarks save a relist after compaction', async () => {
    await begin()
    for (let index = 0; index < 10; index += 1) api.put('/api/v1/others', { metadata: { name: `o${index}` } })
    api.bookmark()
    await settle()
    api.compact()
    client.cut()
    const before = client.requests
    await settle(1_000)
    expect(client.requests - before).toBe(2)
    expect(inStore()).toEqual(inApi())
  })

  test('asks for the end of each watch at a different time, and goes on after it', async () => {
    const queries: unknown[] = []
    const watch = client.watch.bind(client)
    client.watch = (path, query, options) => {
      queries.push(query?.['timeoutSeconds'])
      return watch(path, query, options)
    }
    let random = 0
    await begin({ rng: () => { random += 0.1; return random % 1 } })
    for (let index = 0; index < 3; index += 1) {
      await settle(2_000)
      api.endWatches()
      await settle(1_000)
    }
    expect(new Set(queries).size).toBe(4)
    for (const seconds of queries) expect(seconds).toSatisfy((value: number) => value >= 300 && value < 600)
  })

  test('drops a watch that neither ends nor speaks', async () => {
    await begin()
    const before = client.requests
    await settle(700_000)
    expect(client.requests).toBeGreaterThan(before)
    api.put(thingsPath, thing('a', 2))
    await settle(1_000)
    expect(inStore()).toEqual(inApi())
  })

  test('a server that ignores the wish to stream is asked for pages', async () => {
    const watch = client.watch.bind(client)
    client.watch = (path, query, options) => watch(path, { ...query, sendInitialEvents: undefined }, options)
    await begin()
    expect(store.hasSynced).toBe(false)
    await settle(20_000)
    expect(store.hasSynced).toBe(true)
    expect(inStore()).toEqual(inApi())
  })

  test('follows selectors', async () => {
    await begin({}, { ...things, fieldSelector: 'spec.value=1' })
    api.put(thingsPath, thing('a', 2))
    await settle()
    expect(inStore()).toEqual({ b: 1, c: 1 })
    api.put(thingsPath, thing('a', 1))
    await settle()
    expect(inStore()).toEqual(inApi())
  })

  test('resolves when aborted, whatever it is doing', async () => {
    client.partition()
    await begin()
    stopping.abort()
    await expect(running).resolves.toBeUndefined()
  })
})

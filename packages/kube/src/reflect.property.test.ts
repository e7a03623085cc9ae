import { ManualClock, silentLogger } from '@weft/daemon/testing'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { reflect } from './reflect.ts'
import { Store } from './store.ts'
import { FakeApi, type FakeEvent } from './testing/fake-api.ts'
import { type Thing, thing, things, thingsPath, valuesIn, valuesOf } from './testing/fixture.ts'
import { MemoryClient } from './testing/memory-client.ts'

/** One thing that can happen to a server, to a connection, or in time. */
type Step =
  | { readonly kind: 'put', readonly name: string, readonly value: number }
  | { readonly kind: 'refusable', readonly name: string }
  | { readonly kind: 'remove', readonly name: string }
  | { readonly kind: 'recreate', readonly name: string, readonly value: number }
  | { readonly kind: 'fail', readonly status: number }
  | { readonly kind: 'replay', readonly back: number }
  | { readonly kind: 'wait', readonly ms: number }
  | { readonly kind: 'cut' | 'lose' | 'garble' | 'compact' | 'bookmark' | 'end' | 'partition' | 'heal' | 'restore' | 'error410' }

const name = fc.constantFrom('a', 'b', 'c', 'd')
const value = fc.nat(3)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('put' as const), name, value }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('refusable' as const), name }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('remove' as const), name }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('recreate' as const), name, value }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fail' as const), status: fc.constantFrom(410, 429, 500, 503, 504, 403) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('replay' as const), back: fc.nat(10) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.constantFrom(0, 0, 100, 2_000, 60_000, 700_000) }) },
  { weight: 4, arbitrary: fc.constantFrom('cut', 'lose', 'garble', 'compact', 'bookmark', 'end', 'partition', 'heal', 'restore', 'error410').map((kind) => ({ kind })) },
)

describe('reflect()', () => {
  // DESIGN.md K6, K7. Faults 6 to 10.
  test('whatever happens, the store ends as the server is, and every view along the way was consistent', async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.boolean(), fc.integer({ min: 1, max: 3 }), async (steps, watchList, pageSize) => {
      const api = new FakeApi()
      const client = new MemoryClient(api)
      const clock = new ManualClock()
      const told: FakeEvent[] = []
      const listen = (): void => {
        told.length = 0
        api.watch(thingsPath, {}, { send: (event) => told.push(event), end: listen })
      }
      listen()
      const store = new Store<Thing>({ indexes: { value: ({ value }) => String(value) } })
      const stopping = new AbortController()
      // What a subscriber knows: the fold of what it was told.
      const mirror = new Map<string, Thing>()
      store.subscribe((change) => {
        expect(mirror.get(change.key)?.value).toBe(change.old?.value)
        expect(store.get(change.key)).toBe(change.new)
        if (change.kind === 'removed') mirror.delete(change.key)
        else mirror.set(change.key, change.new)
      })
      const running = reflect(client, things, store, { clock, logger: silentLogger, signal: stopping.signal, rng: () => 0.5, watchList, pageSize })
      for (const one of steps) {
        await take(one, { api, client, clock, told })
        expect(store.hasSynced || store.size === 0).toBe(true)
      }
      client.heal()
      await clock.advance(120_000)
      // A watch that the server thinks ahead of history is silent until it ends.
      await clock.advance(700_000)
      expect(store.hasSynced).toBe(true)
      const truth = valuesIn(api.objects(thingsPath))
      const refused = new Set(api.objects(thingsPath).map(({ metadata }) => metadata.name!).filter((known) => !Object.hasOwn(truth, known)))
      const seen = valuesOf(store.values())
      // A refused object may show its last accepted version.
      expect(Object.fromEntries(Object.entries(seen).filter(([known]) => !refused.has(known)))).toEqual(truth)
      expect(valuesOf(mirror.values())).toEqual(seen)
      for (const indexKey of store.indexKeys('value')) {
        expect(valuesOf(store.by('value', indexKey))).toEqual(Object.fromEntries(Object.entries(seen).filter(([, known]) => String(known) === indexKey)))
      }
      stopping.abort()
      await running
    }), { numRuns: Number(process.env['PROPERTY_RUNS'] ?? 500) })
  }, 60_000)
})

interface World {
  readonly api: FakeApi
  readonly client: MemoryClient
  readonly clock: ManualClock
  /** Every event of this history. */
  readonly told: FakeEvent[]
}

async function take(step: Step, { api, client, clock, told }: World): Promise<void> {
  switch (step.kind) {
    case 'put':
      api.put(thingsPath, thing(step.name, step.value))
      break
    case 'refusable':
      api.put(thingsPath, thing(step.name, 'not a number'))
      break
    case 'remove':
      api.remove(thingsPath, `shop/${step.name}`)
      break
    case 'recreate':
      api.remove(thingsPath, `shop/${step.name}`)
      api.put(thingsPath, thing(step.name, step.value))
      break
    case 'fail':
      client.failNext(step.status, 'MadeToFail', step.status === 429 ? 3_000 : undefined)
      break
    case 'replay': {
      // What was told before, not what is still on its way.
      await clock.advance(0)
      const event = told.at(-1 - step.back)
      if (event !== undefined) client.replay(event)
      break
    }
    case 'wait':
      await clock.advance(step.ms)
      break
    case 'cut':
      client.cut()
      break
    case 'lose':
      client.cut(true)
      break
    case 'garble':
      client.garble()
      break
    case 'compact':
      api.compact()
      break
    case 'bookmark':
      api.bookmark()
      break
    case 'end':
      api.endWatches()
      break
    case 'partition':
      client.partition()
      break
    case 'heal':
      client.heal()
      break
    case 'restore': {
      // Behind what we know, or it cannot be told from the history we know (DESIGN.md, K8).
      client.heal()
      await clock.advance(400_000)
      const objects = api.objects(thingsPath)
      client.cut(true)
      api.restore({ [thingsPath]: objects.slice(0, Math.floor(objects.length / 2)) }, Math.floor(api.revision / 2))
      told.length = 0
      await clock.advance(400_000)
      break
    }
    case 'error410':
      client.replay({ type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired' } })
      break
    default:
      step satisfies never
  }
}

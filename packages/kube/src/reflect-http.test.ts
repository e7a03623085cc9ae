import { createRegistry, realClock } from '@weft/daemon'
import { collectingLogger } from '@weft/daemon/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { KubeClient } from './client.ts'
import { createKubeClient } from './http-client.ts'
import { createKubeMetrics } from './metrics.ts'
import { reflect } from './reflect.ts'
import { Store } from './store.ts'
import { FakeApiServer } from './testing/fake-api-server.ts'
import { type Thing, thing, things, thingsPath, valuesIn, valuesOf } from './testing/fixture.ts'

let server: FakeApiServer
let client: KubeClient
let store: Store<Thing>
let changes: string[]
let stopping: AbortController
let running: Promise<void>
let logger: ReturnType<typeof collectingLogger>
const registry = createRegistry()
const metrics = createKubeMetrics(registry)

beforeEach(async () => {
  server = await FakeApiServer.start()
  for (const name of ['a', 'b', 'c']) server.api.put(thingsPath, thing(name, 1))
  client = createKubeClient({ server: server.url, maxLineBytes: 4_096 })
  store = new Store()
  changes = []
  stopping = new AbortController()
  logger = collectingLogger()
  running = reflect(client, things, store, { clock: realClock, logger, signal: stopping.signal, metrics })
  await store.whenSynced()
  store.subscribe((change) => changes.push(change.kind))
})

afterEach(async () => {
  stopping.abort()
  await running
  await client[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

async function agreement(): Promise<void> {
  await vi.waitFor(() => expect(valuesOf(store.values())).toEqual(valuesIn(server.api.objects(thingsPath))), { timeout: 8_000, interval: 10 })
}

describe('reflect() over HTTP', () => {
  test('follows within milliseconds', async () => {
    const began = performance.now()
    server.api.put(thingsPath, thing('a', 2))
    await agreement()
    expect(performance.now() - began).toBeLessThan(500)
  })

  test('keeps its state while nobody listens, and comes back (LIFE-5)', async () => {
    await server.partition()
    server.api.put(thingsPath, thing('a', 2))
    server.api.remove(thingsPath, 'shop/b')
    await realClock.sleep(300)
    expect(store.size).toBe(3)
    await server.heal()
    await agreement()
    expect(changes.toSorted()).toEqual(['removed', 'updated'])
    expect(logger.lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
  })

  test('survives garbage, an oversize line and a chunk cut in half (fault 8)', async () => {
    server.inject('{"type":"ADDED","object":{{{\n')
    server.api.put(thingsPath, thing('a', 2))
    await agreement()
    server.inject(`{"type":"MODIFIED","object":{"metadata":{"name":"${'x'.repeat(10_000)}`)
    server.api.put(thingsPath, thing('a', 3))
    await agreement()
    server.inject('{"type":"MODIF')
    server.cut()
    server.api.put(thingsPath, thing('a', 4))
    await agreement()
    expect(new Set(changes)).toEqual(new Set(['updated']))
    const faults = await registry.getSingleMetricAsString('weft_kube_faults_total')
    expect(faults).toContain('reason="ERR_KUBE_GARBAGE"')
    expect(faults).toContain('reason="ERR_KUBE_TOO_LARGE"')
  })

  test('an object larger than a watch line is taken from a list', async () => {
    server.api.put(thingsPath, { ...thing('a', 2), status: 'x'.repeat(10_000) })
    await agreement()
    server.api.put(thingsPath, thing('b', 2))
    await agreement()
    expect(changes).toEqual(['updated', 'updated'])
  })

  test('waits for Retry-After at 429 and goes on (fault 8)', async () => {
    server.fault({ match: /watch=true/, status: 429, reason: 'TooManyRequests', retryAfterSeconds: 1 })
    server.api.endWatches()
    const began = performance.now()
    server.api.put(thingsPath, thing('a', 2))
    await agreement()
    expect(performance.now() - began).toBeGreaterThan(900)
  })

  test('relists at 410 without telling what did not change (fault 7)', async () => {
    server.fault({ match: /watch=true/, status: 410, reason: 'Expired' })
    server.cut()
    server.api.put(thingsPath, thing('a', 2))
    await agreement()
    expect(changes).toEqual(['updated'])
    expect(await registry.getSingleMetricAsString('weft_kube_relists_total')).toContain('reason="gone"')
  })
})

/* oxlint-disable typescript/no-unsafe-type-assertion -- answers are what the test says they are */
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '@weft/daemon/testing'
import { createKubeClient, type KubeClient, type Query, type WatchEvent } from '@weft/kube'
import type { KubeObject } from './json.ts'
import { nodeNameClaim } from './tls/credentials.ts'
import { CONFIG_MAPS, configMap, failure, makeDefaultNamespace, startServer } from './testing/start-server.ts'

interface Seen {
  readonly type: string
  readonly name: string
  readonly revision: number
}

function seen({ type, object }: WatchEvent): Seen {
  const { metadata } = object as KubeObject
  return { type, name: metadata?.name ?? '', revision: Number(metadata?.resourceVersion) }
}

/** The first `count` events of a watch. */
async function take(client: KubeClient, query: Query, count: number, path = CONFIG_MAPS): Promise<WatchEvent[]> {
  const stop = new AbortController()
  const events: WatchEvent[] = []
  if (count === 0) return events
  for await (const event of client.watch(path, query, { signal: stop.signal })) {
    events.push(event)
    if (events.length === count) break
  }
  return events
}

describe('watch', () => {
  test('LIFE-5 resumes after a revision and misses nothing', async () => {
    await using started = await startServer()
    const { client } = started
    await makeDefaultNamespace(client)
    const a = await client.request<KubeObject>('POST', CONFIG_MAPS, { body: configMap('a') })
    await client.request('PUT', `${CONFIG_MAPS}/a`, { body: configMap('a', { x: '1' }) })
    await client.request('POST', CONFIG_MAPS, { body: configMap('b') })
    await client.request('DELETE', `${CONFIG_MAPS}/a`)
    const events = (await take(client, { resourceVersion: a.metadata.resourceVersion }, 3)).map(seen)
    expect(events.map(event => `${event.type} ${event.name}`)).toEqual(['MODIFIED a', 'ADDED b', 'DELETED a'])
    expect(events.map(event => event.revision)).toEqual([...events].map(event => event.revision).sort((x, y) => x - y))
  })

  test('sends the state and marks its end for watch-list clients', async () => {
    await using started = await startServer()
    const { client } = started
    await makeDefaultNamespace(client)
    for (const name of ['a', 'b']) await client.request('POST', CONFIG_MAPS, { body: configMap(name) })
    const events = await take(client, { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan', allowWatchBookmarks: true }, 3)
    expect(events.map(event => event.type)).toEqual(['ADDED', 'ADDED', 'BOOKMARK'])
    expect((events[2]!.object as KubeObject).metadata.annotations).toEqual({ 'k8s.io/initial-events-end': 'true' })
    expect(await failure(take(client, { sendInitialEvents: true }, 1))).toMatchObject({ status: 400 })
  })

  test('turns changes of labels into ADDED and DELETED under a selector', async () => {
    await using started = await startServer()
    const { client } = started
    await makeDefaultNamespace(client)
    const first = await client.request<KubeObject>('POST', CONFIG_MAPS, { body: configMap('a', {}, { app: 'no' }) })
    for (const app of ['web', 'web', 'no']) await client.request('PUT', `${CONFIG_MAPS}/a`, { body: configMap('a', { at: String(Math.random()) }, { app }) })
    await client.request('POST', CONFIG_MAPS, { body: configMap('end', {}, { app: 'web' }) })
    const events = await take(client, { resourceVersion: first.metadata.resourceVersion, labelSelector: 'app=web' }, 4)
    expect(events.map(event => `${event.type} ${seen(event).name}`)).toEqual(['ADDED a', 'MODIFIED a', 'DELETED a', 'ADDED end'])
    // The object that leaves is shown as it last matched, under the revision at which it left.
    expect((events[2]!.object as KubeObject).metadata).toMatchObject({ labels: { app: 'web' } })
    expect(seen(events[2]!).revision).toBe(seen(events[3]!).revision - 1)
  })

  test('answers 410 as an ERROR event when the revision is forgotten', async () => {
    await using started = await startServer({ config: { watchHistory: 3 } })
    const { client } = started
    await makeDefaultNamespace(client)
    const first = await client.request<KubeObject>('POST', CONFIG_MAPS, { body: configMap('a') })
    for (let index = 0; index < 5; index++) await client.request('PUT', `${CONFIG_MAPS}/a`, { body: configMap('a', { x: String(index) }) })
    const [event] = await take(client, { resourceVersion: first.metadata.resourceVersion }, 1)
    expect(event).toMatchObject({ type: 'ERROR', object: { kind: 'Status', reason: 'Expired', code: 410 } })
    expect(await failure(take(client, { resourceVersion: '999999' }, 1))).toMatchObject({ status: 504 })
  })

  test('sends bookmarks to those who asked, and ends at timeoutSeconds', async () => {
    const clock = new ManualClock()
    await using started = await startServer({ clock, config: { bookmarkIntervalMs: 1000 } })
    await makeDefaultNamespace(started.server.client)
    const types: string[] = []
    const ended = (async () => {
      for await (const event of started.client.watch(CONFIG_MAPS, { resourceVersion: '1', allowWatchBookmarks: true, timeoutSeconds: 3 })) types.push(event.type)
    })()
    while (clock.sleeping < 3) await new Promise(resolve => setImmediate(resolve))
    await clock.advance(1000)
    await clock.advance(2000)
    await ended
    expect(types.length).toBeGreaterThanOrEqual(2)
    expect(new Set(types)).toEqual(new Set(['BOOKMARK']))
  })

  test('faults: 410 for all, garbage, partition, 429', async () => {
    await using started = await startServer()
    const { client, server } = started
    await makeDefaultNamespace(client)
    const node = createKubeClient({ server: started.url, ca: server.ca, token: server.tokenFor({ name: 'agent', groups: ['system:masters'], extra: { [nodeNameClaim]: ['n1'] } }), timeoutMs: 300 })
    const iterator = client.watch(CONFIG_MAPS, { resourceVersion: String(1) })[Symbol.asyncIterator]()
    const next = iterator.next()
    await client.request('POST', CONFIG_MAPS, { body: configMap('a') })
    expect((await next).value).toMatchObject({ type: 'ADDED' })
    server.faults.expireWatches()
    expect((await iterator.next()).value).toMatchObject({ type: 'ERROR', object: { code: 410 } })
    server.faults.set({ partition: { 'node/n1': 'reset' } })
    expect(await failure(node.request('GET', CONFIG_MAPS))).toMatchObject({ status: 0 })
    await client.request('GET', CONFIG_MAPS)
    server.faults.set({ throttle: { path: CONFIG_MAPS, times: 1, retryAfterSeconds: 1 } })
    expect(await failure(node.request('GET', CONFIG_MAPS))).toMatchObject({ status: 429, retryAfterMs: 1000 })
    await node.request('GET', CONFIG_MAPS)
    server.faults.set({ garbageLines: 1 })
    expect(await failure(take(client, { resourceVersion: '0' }, 1))).toMatchObject({ code: 'ERR_KUBE_GARBAGE' })
    await client.request('PUT', '/weft/faults', { body: { latencyMs: { '/api/v1/namespaces': 50 } } })
    const begin = performance.now()
    await client.request('GET', CONFIG_MAPS)
    expect(performance.now() - begin).toBeGreaterThan(45)
    await node[Symbol.asyncDispose]()
  })

  test('P11 is the fold of any history: replayed from any revision it gives the list', async () => {
    await using started = await startServer()
    const client = started.server.client
    let round = 0
    const operation = fc.record({ name: fc.constantFrom('a', 'b', 'c'), what: fc.constantFrom('put', 'delete'), app: fc.constantFrom('x', 'y'), data: fc.nat({ max: 3 }) })
    await fc.assert(fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 25 }), fc.nat({ max: 25 }), async (operations, from) => {
      const namespace = `r${round++}`
      const path = `/api/v1/namespaces/${namespace}/configmaps`
      await client.request('POST', '/api/v1/namespaces', { body: { metadata: { name: namespace } } })
      const selector = { labelSelector: 'app=x' }
      type List = { metadata: { resourceVersion: string }, items: KubeObject[] }
      let state = await client.request<List>('GET', path, { query: selector })
      for (const [index, { name, what, app, data }] of operations.entries()) {
        const body = configMap(name, { data: String(data) }, { app })
        if (what === 'delete') await client.request('DELETE', `${path}/${name}`).catch(() => undefined)
        else await client.request('PUT', `${path}/${name}`, { body }).catch(() => client.request('POST', path, { body }))
        if (index === from) state = await client.request<List>('GET', path, { query: selector })
      }
      const folded = new Map(state.items.map(item => [item.metadata.name, item]))
      await client.request('POST', path, { body: configMap('end', {}, { app: 'x' }) })
      for await (const event of client.watch(path, { ...selector, resourceVersion: state.metadata.resourceVersion })) {
        const object = event.object as KubeObject
        // An ADDED is of something new, the others of something known.
        expect({ type: event.type, isKnown: folded.has(object.metadata.name) }).toEqual({ type: event.type, isKnown: event.type !== 'ADDED' })
        if (event.type === 'DELETED') folded.delete(object.metadata.name)
        else folded.set(object.metadata.name, object)
        if (object.metadata.name === 'end') break
      }
      const list = await client.request<List>('GET', path, { query: selector })
      expect([...folded.values()].sort((x, y) => (x.metadata.name < y.metadata.name ? -1 : 1))).toEqual(list.items)
    }), { numRuns: 40 })
  })
})

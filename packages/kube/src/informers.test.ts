import { createRegistry } from '@weft/daemon'
import { collectingLogger, ManualClock, silentLogger } from '@weft/daemon/testing'
import { expect, test } from 'vitest'
import type { EventTarget } from './event.ts'
import { Informers } from './informers.ts'
import { FakeApi } from './testing/fake-api.ts'
import { thing, things, thingsPath, valuesOf } from './testing/fixture.ts'
import { MemoryClient } from './testing/memory-client.ts'

test('Informers keeps each kind by itself, and tells on a refused object why', async () => {
  const [api, clock, stopping, told] = [new FakeApi(), new ManualClock(), new AbortController(), [] as { readonly target: EventTarget, readonly reason: string, readonly message: string }[]]
  api.put(thingsPath, thing('good', 1))
  api.put(thingsPath, thing('bad', 'x'))
  const informers = new Informers({ client: new MemoryClient(api), clock, logger: silentLogger, registry: createRegistry(), recorder: { record: (target, _type, content) => void told.push({ target, ...content }) } })
  const kept = informers.keep(things)
  const absent = informers.keep({ ...things, name: 'others', path: '/apis/weft.test/v1/others' })
  expect(kept.hasSynced).toBe(false)
  const running = informers.run(stopping.signal)
  await clock.advance(0)
  expect(valuesOf(kept.values())).toEqual({ good: 1 })
  expect(absent.hasSynced).toBe(true)
  expect(told).toEqual([{ target: expect.objectContaining({ apiVersion: 'weft.test/v1', kind: 'Thing', namespace: 'shop', name: 'bad' }), reason: 'Refused', message: 'spec.value is string, want a number' }])
  stopping.abort()
  await running
})

test('Informers tells what keeps a kind from being followed, logs it once, and is silent again when it follows', async () => {
  const [api, clock, stopping, logger] = [new FakeApi(), new ManualClock(), new AbortController(), collectingLogger()]
  const client = new MemoryClient(api)
  const informers = new Informers({ client, clock, logger, registry: createRegistry(), recorder: { record: () => undefined } })
  informers.keep(things)
  expect(informers.troubles()).toEqual([])
  for (let tries = 0; tries < 3; tries += 1) client.failNext(403, 'Forbidden')
  const running = informers.run(stopping.signal)
  await clock.advance(1000)
  expect(informers.troubles()).toEqual(['things: Cannot serve: 403 Forbidden; apply the ClusterRole that comes with this version'])
  await clock.advance(60_000)
  expect(informers.troubles()).toEqual([])
  expect(logger.lines.filter(({ level }) => level === 'warn')).toHaveLength(1)
  stopping.abort()
  await running
})

test('Informers says once for all kinds that no API server answers', async () => {
  const [clock, stopping] = [new ManualClock(), new AbortController()]
  const client = new MemoryClient(new FakeApi())
  client.partition()
  const informers = new Informers({ client, clock, logger: silentLogger, registry: createRegistry(), recorder: { record: () => undefined } })
  for (const name of ['things', 'others']) informers.keep({ ...things, name })
  const running = informers.run(stopping.signal)
  await clock.advance(1000)
  expect(informers.troubles()).toEqual([expect.stringMatching(/^the API server: .*; wanted one that answers/)])
  stopping.abort()
  await running
})

import { ManualClock, silentLogger } from '@weft/daemon/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { targetOf } from './event.ts'
import { EventRecorder } from './event-recorder.ts'
import { FakeApi } from './testing/fake-api.ts'
import { MemoryClient } from './testing/memory-client.ts'

const events = '/api/v1/events'
const service = targetOf({ metadata: { namespace: 'shop', name: 'web', uid: 'u1', resourceVersion: '7' } }, { apiVersion: 'v1', kind: 'Service' })
let api: FakeApi
let client: MemoryClient
let clock: ManualClock
let recorder: EventRecorder
let stopping: AbortController
let running: Promise<void>

beforeEach(() => {
  api = new FakeApi()
  client = new MemoryClient(api)
  clock = new ManualClock()
  recorder = new EventRecorder({ client, source: { component: 'weft-agent', host: 'node-1' }, clock, logger: silentLogger, perObject: 5, maxPending: 20 })
  stopping = new AbortController()
  running = recorder.run(stopping.signal)
})

afterEach(async () => {
  stopping.abort()
  await running
})

describe('EventRecorder', () => {
  test('record() tells the object, the reason and who says so', async () => {
    recorder.record(service, 'Warning', { reason: 'InvalidPort', message: 'spec.ports[0].port is 99999, want 1 to 65535' })
    await clock.advance(1_000)
    expect(api.objects(events)).toMatchObject([{
      metadata: { namespace: 'shop' },
      involvedObject: { apiVersion: 'v1', kind: 'Service', namespace: 'shop', name: 'web', uid: 'u1' },
      type: 'Warning',
      reason: 'InvalidPort',
      source: { component: 'weft-agent', host: 'node-1' },
      count: 1,
      firstTimestamp: '2026-01-01T00:00:00Z',
    }])
  })

  test('record() counts what is the same', async () => {
    for (let times = 0; times < 3; times += 1) {
      recorder.record(service, 'Warning', { reason: 'InvalidPort', message: 'same' })
      await clock.advance(1_000)
    }
    expect(api.objects(events)).toMatchObject([{ count: 3 }])
    // The server forgets Events after an hour.
    const { namespace, name } = api.objects(events)[0]!.metadata
    api.remove(events, `${namespace}/${name}`)
    recorder.record(service, 'Warning', { reason: 'InvalidPort', message: 'same' })
    await clock.advance(1_000)
    expect(api.objects(events)).toMatchObject([{ count: 4 }])
  })

  test('record() drops what is too much, per object and in all', async () => {
    for (let index = 0; index < 10; index += 1) recorder.record(service, 'Normal', { reason: 'Spam', message: `number ${index}` })
    expect(recorder.pending).toBe(5)
    for (let index = 0; index < 100; index += 1) recorder.record({ ...service, name: `other${index}` }, 'Normal', { reason: 'Spam', message: 'x' })
    expect(recorder.pending).toBe(20)
    await clock.advance(10_000)
    expect(api.objects(events)).toHaveLength(20)
    expect(recorder.dropped).toBe(90)
  })

  test('record() never throws, and tells after an outage what happened during it', async () => {
    client.partition()
    recorder.record(service, 'Warning', { reason: 'A', message: 'a' })
    await clock.advance(60_000)
    recorder.record(service, 'Warning', { reason: 'A', message: 'a' })
    expect(api.objects(events)).toHaveLength(0)
    client.heal()
    await clock.advance(60_000)
    expect(api.objects(events)).toMatchObject([{ count: 2 }])
  })

  test('record() puts Events about cluster-scoped objects into default, and cuts long messages', async () => {
    recorder.record({ apiVersion: 'v1', kind: 'Node', name: 'node-1' }, 'Normal', { reason: 'Long', message: 'x'.repeat(5_000) })
    await clock.advance(1_000)
    const [event] = api.objects(events)
    expect(event?.metadata.namespace).toBe('default')
    expect(event?.['message']).toHaveLength(1_024)
  })

  test('an Event the server refuses is dropped, the next one goes through', async () => {
    client.failNext(403, 'Forbidden')
    recorder.record(service, 'Normal', { reason: 'A', message: 'a' })
    recorder.record(service, 'Normal', { reason: 'B', message: 'b' })
    await clock.advance(1_000)
    expect(api.objects(events)).toMatchObject([{ reason: 'B' }])
    expect(recorder.dropped).toBe(1)
  })
})

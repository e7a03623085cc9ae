import { ManualClock, silentLogger } from '@weft/daemon/testing'
import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LeaderElector } from './leader-elector.ts'
import { leaseCollection } from './lease.ts'
import { FakeApi } from './testing/fake-api.ts'
import type { FakeObject } from './testing/fake-object.ts'
import { MemoryClient } from './testing/memory-client.ts'

interface Candidate {
  readonly client: MemoryClient
  readonly elector: LeaderElector
  readonly stopping: AbortController
  readonly running: Promise<void>
}

let api: FakeApi
let clock: ManualClock
let leading: Set<string>
let overlaps: number
let candidates: Candidate[]

function join(identity: string): Candidate {
  const client = new MemoryClient(api)
  const elector = new LeaderElector({ client, namespace: 'kube-system', name: 'weft-controller', identity, clock, logger: silentLogger, rng: () => 0.5 })
  const stopping = new AbortController()
  const running = elector.run(async (signal) => {
    leading.add(identity)
    if (leading.size > 1) overlaps += 1
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve()
      else signal.addEventListener('abort', () => resolve(), { once: true })
    })
    leading.delete(identity)
  }, { signal: stopping.signal })
  const candidate = { client, elector, stopping, running }
  candidates.push(candidate)
  return candidate
}

beforeEach(() => {
  api = new FakeApi()
  clock = new ManualClock()
  leading = new Set()
  overlaps = 0
  candidates = []
})

afterEach(async () => {
  await stopAll()
})

async function stopAll(): Promise<void> {
  for (const { stopping, client } of candidates) {
    client.heal()
    stopping.abort()
  }
  await clock.advance(60_000)
  await Promise.all(candidates.map(async ({ running }) => await running))
  candidates = []
}

describe('LeaderElector', () => {
  test('one leads, the others wait', async () => {
    const first = join('a')
    await clock.advance(0)
    join('b')
    await clock.advance(60_000)
    expect([...leading]).toEqual(['a'])
    expect(first.elector.isLeader).toBe(true)
    expect(api.objects(leaseCollection)[0]).toMatchObject({ metadata: { namespace: 'kube-system', name: 'weft-controller' }, spec: { holderIdentity: 'a', leaseDurationSeconds: 15 } })
  })

  test('a leader that stops gives the lease back, and the next need not wait', async () => {
    const first = join('a')
    await clock.advance(0)
    join('b')
    await clock.advance(5_000)
    first.stopping.abort()
    await clock.advance(3_000)
    expect([...leading]).toEqual(['b'])
    expect(api.objects(leaseCollection)[0]).toMatchObject({ spec: { leaseTransitions: 1 } })
  })

  test('a leader that is cut off steps down before another one leads', async () => {
    const first = join('a')
    await clock.advance(0)
    join('b')
    await clock.advance(5_000)
    first.client.partition()
    await clock.advance(10_001)
    expect([...leading]).toEqual([])
    await clock.advance(10_000)
    expect([...leading]).toEqual(['b'])
    first.client.heal()
    await clock.advance(60_000)
    expect([...leading]).toEqual(['b'])
    expect(overlaps).toBe(0)
  })

  test('a dead leader is followed after the lease has run out, whatever its clock showed', async () => {
    api.put(leaseCollection, { metadata: { namespace: 'kube-system', name: 'weft-controller' }, spec: { holderIdentity: 'gone', leaseDurationSeconds: 15, renewTime: '2099-01-01T00:00:00.000000Z' } })
    join('b')
    await clock.advance(14_000)
    expect(leading.size).toBe(0)
    await clock.advance(5_000)
    expect([...leading]).toEqual(['b'])
  })

  test('a renewal is one request', async () => {
    const { client } = join('a')
    await clock.advance(0)
    const before = client.requests
    await clock.advance(20_000)
    expect(client.requests - before).toBe(10)
  })

  test.each([
    ['was edited', (lease: FakeObject) => void api.put(leaseCollection, { ...lease, metadata: { ...lease.metadata, annotations: { edited: 'yes' } } })],
    ['was deleted', () => api.remove(leaseCollection, 'kube-system/weft-controller')],
  ])('a leader whose lease %s goes on', async (_what, touch) => {
    const { elector } = join('a')
    await clock.advance(5_000)
    touch(api.objects(leaseCollection)[0]!)
    for (let second = 0; second < 60; second++) {
      await clock.advance(1_000)
      expect(elector.isLeader).toBe(true)
    }
    expect(api.objects(leaseCollection)[0]).toMatchObject({ spec: { holderIdentity: 'a', leaseTransitions: 0 } })
  })

  test('run() ends when the work ends by itself', async () => {
    const elector = new LeaderElector({ client: new MemoryClient(api), namespace: 'kube-system', name: 'once', identity: 'a', clock, logger: silentLogger })
    await elector.run(() => Promise.resolve(), { signal: new AbortController().signal })
    expect(elector.isLeader).toBe(false)
  })

  test('refuses times that cannot work', () => {
    expect(() => new LeaderElector({ client: new MemoryClient(api), namespace: 'x', name: 'x', identity: 'a', clock, logger: silentLogger, leaseDurationMs: 5_000 })).toThrow(RangeError)
  })

  // DESIGN.md K11.
  test('never two at a time, whoever is cut off, stopped or slow', async () => {
    const event = fc.record({ who: fc.nat(2), what: fc.constantFrom('partition', 'heal', 'cut', 'fail'), ms: fc.constantFrom(0, 500, 2_000, 9_000, 20_000) })
    await fc.assert(fc.asyncProperty(fc.array(event, { maxLength: 25 }), async (events) => {
      api = new FakeApi()
      clock = new ManualClock()
      leading = new Set()
      overlaps = 0
      for (const identity of ['a', 'b', 'c']) join(identity)
      for (const { who, what, ms } of events) {
        const { client } = candidates[who]!
        if (what === 'partition') client.partition()
        else if (what === 'heal') client.heal()
        else if (what === 'cut') client.cut()
        else client.failNext(500, 'InternalError')
        await clock.advance(ms)
      }
      expect(overlaps).toBe(0)
      for (const { client } of candidates) client.heal()
      await clock.advance(60_000)
      expect(leading.size).toBe(1)
      await stopAll()
    }), { numRuns: 100 })
  })
})

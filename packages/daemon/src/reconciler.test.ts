import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Reconciler, type ReconcilerOptions } from './reconciler.ts'
import { createRegistry } from './registry.ts'
import { collectingLogger } from './testing/loggers.ts'
import { ManualClock } from './testing/manual-clock.ts'

let clock: ManualClock
let stop: AbortController
let logger: ReturnType<typeof collectingLogger>
let running: Promise<void>[]

beforeEach(() => {
  clock = new ManualClock()
  stop = new AbortController()
  logger = collectingLogger()
  running = []
})

// Every loop ends, and ends well, when it is told to.
afterEach(async () => {
  stop.abort(new Error('test over'))
  await Promise.all(running)
})

function start(options: Partial<ReconcilerOptions>): Reconciler {
  // Jitter at its upper end: waits are whole.
  const loop = new Reconciler({ name: 'test', clock, logger, reconcile: () => {}, rng: () => 1, ...options })
  running.push(loop.run(stop.signal))
  return loop
}

/** When runs began, in milliseconds. */
function recorder(run: (nth: number) => void | Promise<void> = () => {}): { readonly starts: number[], readonly reconcile: () => Promise<void> } {
  const starts: number[] = []
  return {
    starts,
    async reconcile() {
      starts.push(clock.now())
      await run(starts.length)
    },
  }
}

describe('Reconciler.run()', () => {
  test('runs once at the start, and again for a trigger only (R1)', async () => {
    const { starts, reconcile } = recorder()
    const loop = start({ reconcile })
    await clock.advance(60_000)
    expect(starts).toEqual([0])
    loop.trigger()
    await clock.advance(0)
    expect(starts).toEqual([0, 60_000])
  })

  test('never runs twice at a time; triggers during a run make one more (R1)', async () => {
    let active = 0
    const { starts, reconcile } = recorder(async () => {
      active += 1
      expect(active).toBe(1)
      await clock.sleep(100)
      active -= 1
    })
    const loop = start({ reconcile })
    for (let count = 0; count < 50; count += 1) loop.trigger()
    await clock.advance(50)
    for (let count = 0; count < 50; count += 1) loop.trigger()
    await clock.advance(1000)
    expect(starts).toEqual([0, 100])
  })

  test('keeps the minimum from start to start, without delaying the first (R2)', async () => {
    const { starts, reconcile } = recorder()
    const loop = start({ reconcile, minIntervalMs: 1000 })
    await clock.advance(5000)
    loop.trigger()
    for (let step = 0; step < 30; step += 1) {
      await clock.advance(100)
      loop.trigger()
    }
    expect(starts).toEqual([0, 5000, 6000, 7000, 8000])
  })

  test('resyncs at the latest after the maximum (R2)', async () => {
    const { starts, reconcile } = recorder()
    start({ reconcile, maxIntervalMs: 30_000 })
    await clock.advance(90_000)
    expect(starts).toEqual([0, 30_000, 60_000, 90_000])
  })

  test('repeats failures with growing waits up to the maximum, and begins anew after a success (R3)', async () => {
    const { starts, reconcile } = recorder((nth) => {
      if (nth !== 6) throw new Error('kernel says no')
    })
    const loop = start({ reconcile, retry: { baseMs: 100, maxMs: 1000 } })
    await clock.advance(2500)
    expect(starts).toEqual([0, 100, 300, 700, 1500, 2500])
    expect(loop.ready).toBe(true)
    loop.trigger()
    await clock.advance(350)
    expect(starts.slice(6)).toEqual([2500, 2600, 2800])
  })

  test('waits between half and the whole of a backoff (R3)', async () => {
    const { starts, reconcile } = recorder(() => {
      throw new Error('no')
    })
    start({ reconcile, rng: () => 0, retry: { baseMs: 100, maxMs: 1000 } })
    await clock.advance(400)
    expect(starts).toEqual([0, 50, 150, 350])
  })

  test('a trigger cuts a long backoff short, to a second after the failure and not below (R3)', async () => {
    const { starts, reconcile } = recorder(() => {
      throw new Error('no')
    })
    const loop = start({ reconcile, retry: { baseMs: 20_000, maxMs: 20_000 } })
    await clock.advance(10)
    loop.trigger()
    await clock.advance(989)
    expect(starts).toEqual([0])
    await clock.advance(1)
    expect(starts).toEqual([0, 1000])
    await clock.advance(19_999)
    expect(starts).toEqual([0, 1000])
    await clock.advance(1)
    expect(starts).toEqual([0, 1000, 21_000])
  })

  test('logs each failure once, with the error and the wait', async () => {
    const error = new Error('no')
    start({ reconcile: () => Promise.reject(error), retry: { baseMs: 100, maxMs: 100 } })
    await clock.advance(0)
    expect(logger.lines).toEqual([{ level: 'warn', message: 'reconcile failed', fields: { err: error, loop: 'test', retryMs: 100 } }])
  })

  test('ends when aborted: in a run, in a wait, in a backoff, before it began (R4)', async () => {
    for (const reconcile of [() => clock.sleep(1e6, { signal: stop.signal }), () => {}, () => Promise.reject(new Error('no'))]) start({ reconcile, minIntervalMs: 1000, maxIntervalMs: 1e6 })
    await clock.advance(10)
    stop.abort(new Error('stopped'))
    const { starts, reconcile } = recorder()
    start({ reconcile })
    await Promise.all(running)
    expect(starts).toEqual([])
    expect(clock.sleeping).toBe(0)
    expect(logger.lines.map(({ message }) => message)).toEqual(['reconcile failed'])
  })

  test('refuses to run twice at once', async () => {
    const loop = start({})
    await expect(loop.run(stop.signal)).rejects.toThrow('Cannot run loop "test": it runs already')
  })

  test('does what was asked for last, whatever the timing of triggers and failures (R1, P11)', async () => {
    const step = fc.record({ afterMs: fc.nat(300), fails: fc.boolean() })
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const over = new AbortController()
      const time = new ManualClock()
      let wanted = 0
      let failing = false
      let done = -1
      const loop = new Reconciler({
        name: 'property',
        clock: time,
        logger: collectingLogger(),
        minIntervalMs: 50,
        retry: { baseMs: 10, maxMs: 200 },
        async reconcile() {
          const read = wanted
          await time.sleep(30)
          if (failing) throw new Error('no')
          done = read
        },
      })
      const ended = loop.run(over.signal)
      for (const { afterMs, fails } of steps) {
        await time.advance(afterMs)
        wanted += 1
        failing = fails
        loop.trigger()
      }
      failing = false
      const settled = loop.settled()
      await time.advance(1000)
      await settled
      expect(done).toBe(wanted)
      over.abort(new Error('over'))
      await ended
    }), { numRuns: 40 })
  })
})

describe('Reconciler.ready, whenReady()', () => {
  test('ready with the first success, for ever (R5)', async () => {
    const loop = start({ ...recorder((nth) => {
      if (nth !== 2) throw new Error('no')
    }), retry: { baseMs: 100, maxMs: 100 } })
    let told = false
    const waiting = loop.whenReady().then(() => (told = true))
    await clock.advance(99)
    expect([loop.ready, told]).toEqual([false, false])
    await clock.advance(1)
    await waiting
    loop.trigger()
    await clock.advance(150)
    expect([loop.ready, told]).toEqual([true, true])
    await loop.whenReady(AbortSignal.abort())
  })

  test('rejects with the reason when the caller gives up, or the loop ends (R4)', async () => {
    const loop = start({ reconcile: () => Promise.reject(new Error('no')) })
    const patience = new AbortController()
    const waiting = Promise.allSettled([loop.whenReady(patience.signal), loop.whenReady()])
    patience.abort(new Error('too late'))
    stop.abort(new Error('stopped'))
    expect(await waiting).toMatchObject([{ reason: { message: 'too late' } }, { reason: { message: 'stopped' } }])
    await expect(loop.whenReady(AbortSignal.abort(new Error('never')))).rejects.toThrow('never')
    await Promise.all(running)
    await expect(loop.whenReady()).rejects.toThrow('stopped')
  })
})

describe('Reconciler.settled()', () => {
  test('waits for a run that began after the call (R6)', async () => {
    const { starts, reconcile } = recorder(() => clock.sleep(100))
    const loop = start({ reconcile })
    await clock.advance(50)
    let at = -1
    const waiting = loop.settled().then(() => (at = clock.now()))
    await clock.advance(60)
    expect([starts, at]).toEqual([[0, 100], -1])
    await clock.advance(100)
    await waiting
    expect([starts, at]).toEqual([[0, 100], 200])
  })

  test('outlives failures, and may be called before run (R6)', async () => {
    const { starts, reconcile } = recorder((nth) => {
      if (nth < 3) throw new Error('no')
    })
    const loop = new Reconciler({ name: 'test', clock, logger, reconcile, retry: { baseMs: 100, maxMs: 100 }, rng: () => 1 })
    const waiting = loop.settled()
    running.push(loop.run(stop.signal))
    await clock.advance(200)
    await waiting
    expect(starts).toEqual([0, 100, 200])
  })

  test('rejects when the loop ends before (R4)', async () => {
    const loop = start({ reconcile: () => clock.sleep(100) })
    const waiting = Promise.allSettled([loop.settled()])
    stop.abort(new Error('stopped'))
    await clock.advance(100)
    expect(await waiting).toMatchObject([{ reason: { message: 'stopped' } }])
  })
})

describe('Reconciler metrics', () => {
  test('loops of one registry share two metrics', async () => {
    const registry = createRegistry()
    start({ name: 'one', registry, reconcile: () => clock.sleep(250) })
    start({ name: 'two', registry, reconcile: () => Promise.reject(new Error('no')), retry: { baseMs: 100, maxMs: 100 } })
    await clock.advance(250)
    const text = await registry.metrics()
    expect(text).toContain('weft_reconcile_runs_total{loop="one",result="success"} 1')
    expect(text).toContain('weft_reconcile_runs_total{loop="two",result="failure"} 3')
    expect(text).toContain('weft_reconcile_duration_seconds_sum{loop="one"} 0.25')
  })
})

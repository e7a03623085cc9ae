import { describe, expect, test } from 'vitest'
import { type Clock, realClock } from './clock.ts'
import { ManualClock } from './testing/manual-clock.ts'

describe.each<[string, () => { readonly clock: Clock, readonly pass: (ms: number) => Promise<void> }]>([
  ['realClock', () => ({ clock: realClock, pass: async () => {} })],
  ['ManualClock', () => {
    const clock = new ManualClock()
    return { clock, pass: async (ms) => await clock.advance(ms) }
  }],
])('%s', (_name, make) => {
  test('sleep() lets the time pass that it says (K1)', async () => {
    const { clock, pass } = make()
    const [started, wall] = [clock.now(), clock.wallTime().getTime()]
    const slept = clock.sleep(20)
    await pass(20)
    await slept
    expect(clock.now() - started).toBeGreaterThanOrEqual(19)
    expect(clock.wallTime().getTime() - wall).toBeGreaterThanOrEqual(19)
  })

  test('sleep() rejects with the reason of the signal, aborted before or during (K1)', async () => {
    const { clock } = make()
    const stop = new AbortController()
    const during = clock.sleep(60_000, { signal: stop.signal })
    stop.abort(new Error('enough'))
    await expect(during).rejects.toThrow('enough')
    await expect(clock.sleep(60_000, { signal: stop.signal })).rejects.toThrow('enough')
  })
})

describe('realClock', () => {
  test('sleep() of more than a timer can hold does not end at once (K1)', async () => {
    const stop = new AbortController()
    let ended = false
    const slept = realClock.sleep(2 ** 33, { signal: stop.signal }).then(() => (ended = true))
    await realClock.sleep(20)
    expect(ended).toBe(false)
    stop.abort(new Error('enough'))
    await expect(slept).rejects.toThrow('enough')
  })
})

describe('ManualClock', () => {
  test('advance() wakes in order of time, and lets what it woke sleep again (K2)', async () => {
    const clock = new ManualClock()
    const woken: string[] = []
    const sleeper = async (name: string, ms: number, times: number): Promise<void> => {
      for (let count = 0; count < times; count += 1) {
        await clock.sleep(ms)
        woken.push(`${name}@${clock.now()}`)
      }
    }
    const all = Promise.all([sleeper('a', 30, 2), sleeper('b', 20, 3)])
    await clock.advance(45)
    expect(woken).toEqual(['b@20', 'a@30', 'b@40'])
    expect([clock.now(), clock.sleeping]).toEqual([45, 2])
    await clock.advance(15)
    await all
    expect(clock.sleeping).toBe(0)
  })
})

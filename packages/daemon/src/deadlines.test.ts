import { describe, expect, test } from 'vitest'
import { Deadlines } from './deadlines.ts'
import { ManualClock } from './testing/index.ts'

const late = (what: string) => (): Error => new Error(`${what} is late`)

describe('Deadlines', () => {
  test('start() aborts what is not over in time, each with its reason, and nothing else', async () => {
    const clock = new ManualClock()
    const deadlines = new Deadlines(clock)
    using slow = deadlines.start(100, late('slow'))
    const inTime = deadlines.start(100, late('in time'))
    await clock.advance(50)
    using sooner = deadlines.start(10, late('sooner'))
    using later = deadlines.start(100, late('later'))
    inTime[Symbol.dispose]()
    const reasons = (): unknown[] => [slow, inTime, sooner, later].map(({ signal }) => signal.aborted ? (signal.reason as Error).message : undefined)
    await clock.advance(10)
    expect(reasons()).toEqual([undefined, undefined, 'sooner is late', undefined])
    await clock.advance(40)
    expect(reasons()).toEqual(['slow is late', undefined, 'sooner is late', undefined])
    await clock.advance(50)
    expect(reasons()).toEqual(['slow is late', undefined, 'sooner is late', 'later is late'])
  })

  test('a thousand that end in time leave one sleep, and none once it is over', async () => {
    const clock = new ManualClock()
    const deadlines = new Deadlines(clock)
    for (let count = 0; count < 1000; count += 1) deadlines.start(100, late('none'))[Symbol.dispose]()
    expect(clock.sleeping).toBe(1)
    await clock.advance(100)
    expect(clock.sleeping).toBe(0)
  })

  test('callOff() aborts what runs and what starts afterwards, and sleeps no more', () => {
    const clock = new ManualClock()
    const deadlines = new Deadlines(clock)
    using before = deadlines.start(100, late('before'))
    deadlines.callOff(new Error('the end'))
    using afterwards = deadlines.start(100, late('afterwards'))
    expect([before, afterwards].map(({ signal }) => (signal.reason as Error).message)).toEqual(['the end', 'the end'])
    expect(clock.sleeping).toBe(0)
  })
})

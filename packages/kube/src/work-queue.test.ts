import { ManualClock, silentLogger } from '@weft/daemon/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WorkQueue } from './work-queue.ts'

let clock: ManualClock
let stopping: AbortController
let running: Promise<void>
let log: string[]
let failing: Set<string>
let gates: Map<string, PromiseWithResolvers<void>>

function start(concurrency = 1): WorkQueue<string> {
  const queue = new WorkQueue<string>({
    name: 'test',
    clock,
    logger: silentLogger,
    concurrency,
    rng: () => 1,
    handle: async (key) => {
      log.push(key)
      await gates.get(key)?.promise
      if (failing.has(key)) throw new Error('no')
    },
  })
  running = queue.run(stopping.signal)
  return queue
}

beforeEach(() => {
  clock = new ManualClock()
  stopping = new AbortController()
  log = []
  failing = new Set()
  gates = new Map()
})

afterEach(async () => {
  for (const gate of gates.values()) gate.resolve()
  stopping.abort()
  await running
})

describe('WorkQueue', () => {
  test('add() works once on a key that waits twice', async () => {
    const queue = start()
    gates.set('a', Promise.withResolvers())
    queue.add('a')
    for (const key of ['b', 'b', 'c', 'b']) queue.add(key)
    gates.get('a')!.resolve()
    await clock.advance(0)
    expect(log).toEqual(['a', 'b', 'c'])
    expect(queue.size).toBe(0)
  })

  test('add() while a key is worked on works on it again, never at the same time', async () => {
    const queue = start(4)
    gates.set('a', Promise.withResolvers())
    queue.add('a')
    queue.add('a')
    queue.add('a')
    await clock.advance(0)
    expect(log).toEqual(['a'])
    gates.get('a')!.resolve()
    await clock.advance(0)
    expect(log).toEqual(['a', 'a'])
  })

  test('each failing key backs off by itself', async () => {
    const queue = start()
    failing.add('bad')
    queue.add('bad')
    queue.add('good')
    await clock.advance(0)
    expect(log).toEqual(['bad', 'good'])
    await clock.advance(100)
    await clock.advance(199)
    expect(log.filter((key) => key === 'bad')).toHaveLength(2)
    await clock.advance(1)
    expect(log.filter((key) => key === 'bad')).toHaveLength(3)
    failing.clear()
    queue.add('bad')
    await clock.advance(0)
    expect(queue.size).toBe(0)
  })

  test('addAfter() waits, add() does not wait for it', async () => {
    const queue = start()
    queue.addAfter('a', 1_000)
    queue.addAfter('b', 1_000)
    queue.add('b')
    await clock.advance(999)
    expect(log).toEqual(['b'])
    await clock.advance(1)
    expect(log).toEqual(['b', 'a'])
  })

  test('run() resolves when aborted, after what is being worked on', async () => {
    const queue = start()
    gates.set('a', Promise.withResolvers())
    queue.add('a')
    queue.add('b')
    stopping.abort()
    await clock.advance(0)
    expect(await Promise.race([running, Promise.resolve('still running')])).toBe('still running')
    gates.get('a')!.resolve()
    await running
    expect(log).toEqual(['a'])
  })
})

import { describe, expect, it } from 'vitest'
import { KeyedQueue } from './keyed-queue.ts'

describe('KeyedQueue', () => {
  it('run() keeps the order within a key and none between keys (CNI-11)', async () => {
    const queue = new KeyedQueue()
    const log: string[] = []
    const gate = Promise.withResolvers<void>()
    const first = queue.run('a', async () => {
      await gate.promise
      log.push('a1')
    })
    const second = queue.run('a', async () => void log.push('a2'))
    await queue.run('b', async () => void log.push('b1'))
    gate.resolve()
    await Promise.all([first, second])
    expect(log).toEqual(['b1', 'a1', 'a2'])
    expect(queue.size).toBe(0)
  })

  it('run() goes on after a job that failed', async () => {
    const queue = new KeyedQueue()
    const failed = queue.run('a', () => Promise.reject(new Error('no')))
    const next = queue.run('a', () => Promise.resolve('yes'))
    await expect(failed).rejects.toThrow('no')
    expect(await next).toBe('yes')
  })
})

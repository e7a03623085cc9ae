import { describe, expect, it } from 'vitest'
import { NetlinkError } from './errors.ts'
import { Exchange, untilWhole } from './exchange.ts'
import type { NetlinkMessage } from './message.ts'
import { NLMSG_DONE, NLMSG_ERROR, NLM_F_DUMP_INTR, NLM_F_MULTI } from './netlink-protocol.ts'

function message(type: number, sequence: number, payload: readonly number[] = [], flags = 0): NetlinkMessage {
  return { type, flags, sequence, port: 0, payload: Uint8Array.from(payload) }
}

const ACK = [0, 0, 0, 0, ...Array<number>(16).fill(0)]
const EEXIST = [0xef, 0xff, 0xff, 0xff, ...Array<number>(16).fill(0)]

describe('Exchange', () => {
  it('take() refuses messages of others', () => {
    const exchange = new Exchange(5, ['a', 'b'])
    expect([4, 5, 6, 7, 0].map((sequence) => exchange.take(message(16, sequence)))).toEqual([false, true, true, false, false])
  })

  it('is complete when the last request is answered, though an earlier one failed', () => {
    const exchange = new Exchange(1, ['add a', 'add b'])
    exchange.take(message(NLMSG_ERROR, 1, EEXIST))
    expect(exchange.complete).toBe(false)
    exchange.take(message(NLMSG_ERROR, 2, ACK))
    expect(exchange.complete).toBe(true)
    const [first, second] = exchange.outcomes()
    expect(first!.error).toBeInstanceOf(NetlinkError)
    expect(first!.error).toMatchObject({ operation: 'add a', code: 'EEXIST', errno: 17 })
    expect(second).toEqual({ error: undefined, messages: [] })
  })

  it('notes a dump that changed under way', () => {
    const exchange = new Exchange(1, ['list links'])
    exchange.take(message(16, 1, [], NLM_F_MULTI | NLM_F_DUMP_INTR))
    exchange.take(message(NLMSG_DONE, 1, [0, 0, 0, 0], NLM_F_MULTI))
    expect(exchange).toMatchObject({ complete: true, interrupted: true, lost: false })
    expect(exchange.outcomes()[0]!.messages).toHaveLength(1)
  })
})

describe('untilWhole()', () => {
  /** Dumps that end as told, one after the other; the last goes on for ever. */
  function dumps(...ends: readonly ('interrupted' | 'lost' | 'whole')[]): { readonly once: () => Generator<void, Exchange>, readonly count: () => number } {
    let done = 0
    return {
      *once() {
        const exchange = new Exchange(1, ['list links'])
        const end = ends[Math.min(done++, ends.length - 1)]!
        if (end !== 'whole') exchange[end] = true
        yield
        return exchange
      },
      count: () => done,
    }
  }

  function run(work: Generator<void, Exchange>): Exchange {
    for (;;) {
      const step = work.next()
      if (step.done === true) return step.value
    }
  }

  it('K4 reads a table again that changed under way or lost messages, and gives out the first whole one', () => {
    const { once, count } = dumps('interrupted', 'lost', 'whole')
    expect(run(untilWhole('list links', once))).toMatchObject({ interrupted: false, lost: false })
    expect(count()).toBe(3)
  })

  it.each(['interrupted', 'lost'] as const)('K4 fails when ten dumps are %s, and gives no part of a table', (end) => {
    const { once, count } = dumps(end)
    expect(() => run(untilWhole('list links', once))).toThrow('Cannot list links: interrupted system call, the kernel says: the table changed during each of 10 dumps (EINTR)')
    expect(count()).toBe(10)
  })
})

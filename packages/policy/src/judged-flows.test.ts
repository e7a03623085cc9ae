import { ManualClock, silentLogger } from '@weft/daemon/testing'
import { parseIp } from '@weft/ip'
import { describe, expect, test } from 'vitest'
import { flow, TestFlows } from '../test/test-flows.ts'
import { type Flow, JudgedFlows } from './judged-flows.ts'

const intervalMs = 200

const [web, db, far, vip] = ['10.244.1.2', '10.244.1.3', '10.244.2.9', '10.96.0.7'] as const

async function running(judge: (each: Flow) => boolean = () => true): Promise<{ readonly marks: TestFlows, readonly clock: ManualClock, readonly flows: JudgedFlows, readonly counts: number[] } & AsyncDisposable> {
  const [marks, clock, counts] = [new TestFlows(), new ManualClock(), [] as number[]]
  const flows = new JudgedFlows({ marks, clock, logger: silentLogger, minIntervalMs: intervalMs, judge: () => judge, onRejudged: (count) => counts.push(count) })
  const stopping = new AbortController()
  const run = flows.run(stopping.signal)
  await clock.advance(intervalMs)
  return {
    marks, clock, flows, counts,
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await run
    },
  }
}

describe('JudgedFlows', () => {
  test('NP-16: of those whose addresses a change is about the client is judged anew, whichever end it is; others are left alone', async () => {
    await using net = await running()
    net.marks.add('of the client', 'allowed', flow(web, far))
    net.marks.add('of the server', 'allowed', flow(far, web))
    net.marks.add('behind a Service', 'allowed', flow(far, vip, web))
    net.marks.add('of others', 'allowed', flow(db, far))
    net.marks.add('of nobody', 'unjudged', flow(web, db))
    net.flows.rejudge([parseIp(web)])
    await net.clock.advance(0)
    expect(net.marks.states).toEqual({ 'of the client': 'pending', 'of the server': 'pending', 'behind a Service': 'pending', 'of others': 'allowed', 'of nobody': 'unjudged' })
    expect(net.counts.at(-1)).toBe(3)
  })

  test('NP-16: one that was denied is judged anew too, for a change may allow it', async () => {
    await using net = await running()
    net.marks.add('denied', 'denied', flow(web, far))
    net.flows.rejudge([parseIp(web)])
    await net.clock.advance(0)
    expect(net.marks.states).toEqual({ denied: 'pending' })
  })

  test('NP-16: a packet that was between the chains while they changed does not keep its connection open', async () => {
    await using net = await running()
    net.marks.add('one', 'allowed', flow(web, far))
    net.flows.rejudge([parseIp(web)])
    await net.clock.advance(0)
    net.marks.write('one', 'allowed')
    await net.clock.advance(intervalMs)
    expect(net.marks.states).toEqual({ one: 'pending' })
    // Once: then whatever is allowed was judged by the chains as they are.
    net.marks.write('one', 'allowed')
    await net.clock.advance(5 * intervalMs)
    expect(net.marks.states).toEqual({ one: 'allowed' })
  })

  test('NP-16: who says nothing is judged by what policies mean, and who was denied meanwhile stays so', async () => {
    await using net = await running(({ reply }) => reply.source.bits !== parseIp(db).bits)
    for (const [name, server] of [['forbidden', db], ['allowed still', far]] as const) net.marks.add(name, 'allowed', flow(web, vip, server))
    net.marks.add('denied by the chains', 'allowed', flow(web, far))
    net.flows.rejudge([parseIp(web)])
    await net.clock.advance(0)
    net.marks.write('denied by the chains', 'denied')
    await net.clock.advance(intervalMs)
    expect(net.marks.states).toEqual({ 'forbidden': 'denied', 'allowed still': 'pending', 'denied by the chains': 'denied' })
  })

  test('P11: changes that come together are one look, about all of them', async () => {
    await using net = await running()
    net.marks.add('one', 'allowed', flow(web, far))
    net.marks.add('other', 'allowed', flow(db, far))
    const before = net.marks.looks
    net.flows.rejudge([parseIp(web)])
    net.flows.rejudge([])
    net.flows.rejudge([parseIp(db)])
    await net.clock.advance(0)
    expect([net.marks.states, net.marks.looks - before]).toEqual([{ one: 'pending', other: 'pending' }, 1])
    net.marks.add('third', 'allowed', flow(vip, far))
    net.flows.rejudge('all')
    net.flows.rejudge([parseIp(web)])
    await net.clock.advance(intervalMs)
    expect(net.marks.states['third']).toBe('pending')
  })

  test('P7: nothing is looked at while nothing changes', async () => {
    await using net = await running()
    net.flows.rejudge([])
    const before = net.marks.looks
    await net.clock.advance(100 * intervalMs)
    expect(net.marks.looks).toBe(before)
  })

  test('NP-18: nothing that was allowed to an address is so once it is free, at once', async () => {
    await using net = await running()
    for (const [name, state] of [['allowed', 'allowed'], ['denied', 'denied'], ['unjudged', 'unjudged']] as const) net.marks.add(name, state, flow(far, web))
    net.marks.add('of others', 'allowed', flow(far, db))
    net.flows.forget([parseIp(web)])
    expect(net.marks.states).toEqual({ 'allowed': 'pending', 'denied': 'pending', 'unjudged': 'unjudged', 'of others': 'allowed' })
  })
})

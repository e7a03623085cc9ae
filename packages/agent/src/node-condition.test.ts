import type { Readiness } from '@weft/daemon'
import { parseNodeName } from '@weft/api'
import { ManualClock, silentLogger } from '@weft/daemon/testing'
import type { KubeClient } from '@weft/kube'
import { describe, expect, test } from 'vitest'
import { tellNode } from './node-condition.ts'

function start(first: Readiness): { readonly clock: ManualClock, readonly told: string[], readonly left: (string | undefined)[], readonly reasons: string[], state: Readiness, notice: string | undefined, stop: () => Promise<void> } {
  const [clock, ending] = [new ManualClock(), new AbortController()]
  const node = { clock, told: [] as string[], left: [] as (string | undefined)[], reasons: [] as string[], state: first, notice: undefined as string | undefined, stop: async () => {} }
  const request = (_method: string, _path: string, { body }: { readonly body: { readonly status: { readonly conditions: readonly [{ readonly status: string, readonly reason: string, readonly message: string }] } } }): Promise<unknown> => {
    const [{ status, reason, message }] = body.status.conditions
    node.told.push(`${status} ${message}`)
    node.reasons.push(reason)
    return Promise.resolve()
  }
  const running = tellNode({ client: { request } as unknown as KubeClient, nodeName: parseNodeName('n1'), ready: () => node.state, notice: () => node.notice, leaveReason: (reason) => Promise.resolve(void node.left.push(reason)), clock, logger: silentLogger }, ending.signal)
  node.stop = async () => {
    ending.abort()
    await running
  }
  return node
}

const good = { ready: true, waiting: [] }
const bad = { ready: false, waiting: ['pods: 403 Forbidden; apply the ClusterRole', 'policies in the kernel'] }
const reason = 'Weft waits for pods: 403 Forbidden; apply the ClusterRole; policies in the kernel'

describe('tellNode()', () => {
  test('LIFE-1 the runtime has the reason at once, the Node object when it lasts, and both that it is over', async () => {
    const node = start(bad)
    await node.clock.advance(500)
    expect([node.left, node.told]).toEqual([[reason], []])
    await node.clock.advance(10_000)
    expect(node.told).toEqual([`True ${reason}`])
    node.state = good
    await node.clock.advance(200)
    expect([node.left, node.told.slice(1)]).toEqual([[reason, undefined], ['False Weft wires pods on this node']])
    await node.stop()
  })

  test('LIFE-1 what comes up later is told when it lasts, and what is over before that is not', async () => {
    const node = start(good)
    await node.clock.advance(60_000)
    node.state = bad
    await node.clock.advance(5000)
    node.state = good
    await node.clock.advance(20_000)
    expect(node.told).toEqual(['False Weft wires pods on this node'])
    node.state = bad
    await node.clock.advance(20_000)
    expect(node.told.slice(1)).toEqual([`True ${reason}`])
    await node.stop()
    expect(node.told).toHaveLength(2)
  })
  test('A8 what somebody should do stands beside it, under a reason of its own, until it is done; the node stays available', async () => {
    const node = start(good)
    node.notice = '2 have no network'
    await node.clock.advance(6000)
    node.notice = undefined
    await node.clock.advance(6000)
    expect(node.told).toEqual(['', '; 2 have no network', ''].map((notice) => `False Weft wires pods on this node${notice}`))
    expect([node.reasons, node.left]).toEqual([['WeftReady', 'PodsNotAttached', 'WeftReady'], []])
    await node.stop()
  })
})

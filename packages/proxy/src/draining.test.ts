import { toEndpointSlice } from '@weft/api'
import { createRegistry } from '@weft/daemon'
import { ManualClock, silentLogger } from '@weft/daemon/testing'
import { parseIp } from '@weft/ip'
import { FakeNft } from '@weft/nftables/testing'
import { describe, expect, test } from 'vitest'
import { type EndpointShape, node, nodeName, service, slice, storesOf } from '../test/cluster.ts'
import { proxyConfigSchema } from './config.ts'
import { Draining } from './draining.ts'
import type { FlowFilter, TrackedFlow } from './flow-table.ts'
import type { Backend, ServiceModel } from './model.ts'
import { createProxy } from './proxy.ts'

const udp = [{ port: 5353, protocol: 'UDP' }]

/** What outlives a process. */
interface Shared {
  readonly nft: FakeNft
  readonly clock: ManualClock
  readonly flows: Set<string>
}

/** A proxy whose conntrack has one flow from a client to 10.244.1.5 and one to 10.244.1.6; both came by 10.96.0.1:53. */
async function withFlows(annotations: object, shared: Shared = { nft: new FakeNft(), clock: new ManualClock(), flows: new Set(['10.244.1.5', '10.244.1.6']) }, endpoints: readonly EndpointShape[] = [{ ip: '10.244.1.5' }, { ip: '10.244.1.6' }]): Promise<{ readonly shared: Shared, readonly left: () => readonly string[], readonly put: (...endpoints: readonly EndpointShape[]) => Promise<void>, readonly remove: () => Promise<void>, readonly pass: (seconds: number) => Promise<void>, readonly nft: FakeNft } & AsyncDisposable> {
  const { nft, clock, flows } = shared
  const tuple = { source: parseIp('10.244.0.9'), sourcePort: 4000, destination: parseIp('10.96.0.1'), destinationPort: 53, protocol: 17 }
  const deleteMatching = (_filter: FlowFilter, condition: (flow: TrackedFlow) => boolean): number => {
    const gone = [...flows].filter((backend) => condition({ original: tuple, reply: { ...tuple, source: parseIp(backend), sourcePort: 5353 } }))
    for (const backend of gone) flows.delete(backend)
    return gone.length
  }
  const stores = storesOf([node('here'), service('shop/game', ['10.96.0.1'], { ports: [{ port: 53, protocol: 'UDP' }], annotations }), slice('shop/game', endpoints, { ports: udp })])
  const proxy = createProxy({ ...stores, config: proxyConfigSchema.parse({}), nodeName, nft, flows: { deleteMatching }, clock, logger: silentLogger, registry: createRegistry() })
  const stop = new AbortController()
  const done = proxy.run(stop.signal)
  await proxy.whenReady()
  return {
    nft, shared,
    left: () => [...flows],
    async put(...endpoints) {
      stores.slices.put(toEndpointSlice(slice('shop/game', endpoints, { ports: udp })))
      await clock.advance(0)
    },
    async remove() {
      stores.services.remove('shop/game')
      await clock.advance(0)
    },
    pass: (seconds) => clock.advance(seconds * 1000),
    async [Symbol.asyncDispose]() {
      stop.abort()
      await done
    },
  }
}

describe('weft.dev/drainSeconds', () => {
  const stays: EndpointShape = { ip: '10.244.1.6' }
  const drained = { 'weft.dev/drainSeconds': '30' }

  test('flows stay with an endpoint that is gone for so long, and new ones go elsewhere', async () => {
    await using run = await withFlows(drained)
    await run.put({ ip: '10.244.1.5', ready: false, serving: true, terminating: true }, stays)
    await run.pass(60)
    expect(run.left()).toEqual(['10.244.1.5', '10.244.1.6'])
    await run.put(stays)
    await run.pass(29)
    expect(run.left()).toEqual(['10.244.1.5', '10.244.1.6'])
    expect(run.nft.trace({ saddr: '10.244.0.8', daddr: '10.96.0.1', protocol: 'udp', dport: 53, iif: 'weft1' })).toMatchObject({ dnat: { address: parseIp('10.244.1.6') } })
    await run.pass(2)
    expect(run.left()).toEqual(['10.244.1.6'])
  })

  test('one that terminates gets nothing new: neither when it says that it is ready, nor when nobody else is', async () => {
    await using run = await withFlows(drained)
    const served = (): number => run.nft.table('inet', 'weft-proxy')!.maps.find(({ name }) => name === 'endpoint4')!.elements.length
    expect(served()).toBe(2)
    await run.put({ ip: '10.244.1.5', ready: true, serving: true, terminating: true }, stays)
    expect(served()).toBe(1)
    await run.put({ ip: '10.244.1.5', ready: false, serving: true, terminating: true })
    expect([served(), run.left()]).toEqual([0, ['10.244.1.5', '10.244.1.6']])
  })

  test('further changes do not prolong it, and one that serves again is held no longer', async () => {
    await using run = await withFlows(drained)
    await run.put(stays)
    await run.pass(20)
    await run.put(stays, { ip: '10.244.1.7' })
    await run.pass(11)
    expect(run.left()).toEqual(['10.244.1.6'])
    await run.put({ ip: '10.244.1.5' })
    await run.pass(20)
    await run.put({ ip: '10.244.1.5' }, stays)
    await run.pass(60)
    expect(run.left()).toEqual(['10.244.1.6'])
  })

  test('the one that is held longer ends although the first came back and nothing else changes', async () => {
    await using run = await withFlows(drained)
    await run.put(stays)
    await run.pass(10)
    await run.put({ ip: '10.244.1.5' })
    await run.pass(29)
    expect(run.left()).toEqual(['10.244.1.5', '10.244.1.6'])
    await run.pass(2)
    expect(run.left()).toEqual(['10.244.1.5'])
  })

  test('SVC-92 without it, and when the Service goes, flows end with their backend', async () => {
    await using plain = await withFlows({})
    await plain.put(stays)
    expect(plain.left()).toEqual(['10.244.1.6'])
    await using run = await withFlows(drained)
    await run.put(stays)
    await run.remove()
    expect(run.left()).toEqual([])
  })

  test('a Service that is gone is forgotten', () => {
    const clock = new ManualClock()
    const draining = new Draining(clock)
    const [gone, other] = ['10.244.1.5', '10.244.1.6'].map((ip): Backend => ({ ip: parseIp(ip), port: 5353, local: false }))
    const model = (backends: readonly Backend[]): ServiceModel => ({
      key: 'shop/game', vips: [], localDns: [], drainSeconds: 30, refusals: [],
      ports: [{ service: 'shop/game', ip: parseIp('10.96.0.1'), protocol: 'UDP', port: 53, kind: 'cluster', backends, local: undefined, elsewhere: false, affinity: undefined, lingering: [], held: [], sources: undefined }],
    })
    draining.hold(model([other!]), model([gone!, other!]))
    expect(draining.nextEndMs).toBe(clock.now() + 30_000)
    draining.release('shop/game')
    expect([draining.nextEndMs, draining.due()]).toEqual([Infinity, []])
  })

  test('SVC-50, SVC-92 a restart shortens no time by part of a second', async () => {
    const first = await withFlows(drained)
    await first.pass(0.5)
    await first.put(stays)
    await first[Symbol.asyncDispose]()
    await using second = await withFlows(drained, first.shared, [stays])
    await second.pass(29.9)
    expect(second.left()).toEqual(['10.244.1.5', '10.244.1.6'])
    await second.pass(2)
    expect(second.left()).toEqual(['10.244.1.6'])
  })

  test('SVC-50, SVC-92 a restart keeps the flows of what was held, for the time that is left, and forgets those of nobody', async () => {
    const first = await withFlows(drained)
    first.shared.flows.add('10.244.9.9')
    await first.put(stays)
    await first.pass(20)
    await first[Symbol.asyncDispose]()
    await using second = await withFlows(drained, first.shared, [stays])
    expect(second.left()).toEqual(['10.244.1.5', '10.244.1.6'])
    await second.pass(8)
    expect(second.left()).toEqual(['10.244.1.5', '10.244.1.6'])
    await second.pass(4)
    expect(second.left()).toEqual(['10.244.1.6'])
    expect(second.nft.table('inet', 'weft-proxy')!.maps.find(({ name }) => name === 'held4')!.elements).toEqual([])
  })

  test('SVC-50, SVC-92 one that went away while no process ran is held from then on', async () => {
    const first = await withFlows(drained)
    await first[Symbol.asyncDispose]()
    first.shared.flows.add('10.244.9.9')
    await using second = await withFlows(drained, first.shared, [stays])
    expect(second.left()).toEqual(['10.244.1.5', '10.244.1.6'])
    await second.pass(31)
    expect(second.left()).toEqual(['10.244.1.6'])
  })

  test('a time that passed while no process ran is over, and a Service that no longer drains holds nobody', async () => {
    for (const [seconds, annotations] of [[31, drained], [5, {}]] as const) {
      const first = await withFlows(drained)
      await first.put(stays)
      await first[Symbol.asyncDispose]()
      await first.pass(seconds)
      await using second = await withFlows(annotations, first.shared, [stays])
      expect(second.left()).toEqual(['10.244.1.6'])
    }
  })

  test('P11 a second start with somebody held writes nothing', async () => {
    const first = await withFlows(drained)
    await first.put(stays)
    await first[Symbol.asyncDispose]()
    const { commits } = first.nft
    await using second = await withFlows(drained, first.shared, [stays])
    expect(second.nft.commits).toBe(commits)
  })
})

import { createRegistry } from '@weft/daemon'
import { collectingLogger, ManualClock } from '@weft/daemon/testing'
import type { SetOccupancy } from '@weft/nftables'
import { FakeNft } from '@weft/nftables/testing'
import { describe, expect, test } from 'vitest'
import { node, nodeName } from '../test/cluster.ts'
import { running } from '../test/running.ts'
import { followOccupancy } from './occupancy.ts'

/** Follows tables that are as full as the caller says. */
async function following(tables: () => readonly SetOccupancy[], flows: { count: number, max: number }) {
  const [clock, logger, registry] = [new ManualClock(), collectingLogger(), createRegistry()]
  const events: string[] = []
  const stopping = new AbortController()
  const sysctls = { read: async () => ({ 'net.netfilter.nf_conntrack_count': String(flows.count), 'net.netfilter.nf_conntrack_max': String(flows.max) }) }
  const done = followOccupancy({ nft: { occupancy: async () => await Promise.resolve(tables()) }, sysctls, nodeName, registry, clock, logger, recorder: { record: ({ name }, type, { reason, message }) => void events.push(`${type} ${name} ${reason} ${message}`) } }, stopping.signal)
  return {
    events, logger, registry,
    async turn() { await clock.advance(30_000) },
    async [Symbol.asyncDispose]() {
      stopping.abort()
      await done
    },
  }
}

describe('followOccupancy()', () => {
  test('tells before a table is full, once each time that it gets near', async () => {
    const flows = { count: 100, max: 1000 }
    const affinity = { name: 'affinity4', count: 0, size: 1000 }
    await using run = await following(() => [affinity], flows)
    await run.turn()
    expect(run.events).toEqual([])
    affinity.count = 800
    await run.turn()
    await run.turn()
    expect(run.events).toEqual(['Warning here NearlyFull Table "affinity4" has 800 of at most 1000 entries: when it is full new clients are served without session affinity; raise proxy.affinityClients'])
    affinity.count = 750
    await run.turn()
    affinity.count = 990
    flows.count = 850
    await run.turn()
    expect(run.events.slice(1)).toEqual([expect.stringMatching(/^Warning here NearlyFull Table "conntrack" has 850 of at most 1000 entries: when it is full new connections are dropped/)])
    affinity.count = 100
    await run.turn()
    affinity.count = 900
    await run.turn()
    expect(run.events).toHaveLength(3)
    expect(run.logger.lines.filter(({ level }) => level === 'warn')).toHaveLength(3)
    expect(await run.registry.getSingleMetricAsString('weft_proxy_occupancy_ratio')).toMatch(/\{table="affinity4"\} 0\.9\n.*\{table="conntrack"\} 0\.85$/s)
  })

  test('knows the tables of ours that have an end', async () => {
    const nft = new FakeNft()
    await using _run = await running([node('here')], { nft, config: { affinityClients: 2048 } })
    expect(await nft.occupancy('inet', 'weft-proxy')).toEqual([{ name: 'affinity4', size: 2048, count: 0 }, { name: 'affinity6', size: 2048, count: 0 }])
  })
})

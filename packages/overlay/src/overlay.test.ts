import { parseNodeName } from '@weft/api'
import { createRegistry } from '@weft/daemon'
import { collectingLogger, ManualClock } from '@weft/daemon/testing'
import { parseInterfaceAddress } from '@weft/ip'
import { storeOf } from '@weft/kube/testing'
import type { InterfaceAddress, Link } from '@weft/netlink'
import { FakeNft } from '@weft/nftables/testing'
import { describe, expect, test } from 'vitest'
import { configOf, nodeOf, type NodeLine } from '../test/cluster-file.ts'
import { createOverlay, type Overlay } from './overlay.ts'
import type { OverlayKernel } from './reconcile.ts'

const n1: NodeLine = { name: 'n1', ips: ['172.30.1.11'], podCIDRs: ['10.244.1.0/24'] }
const n2: NodeLine = { name: 'n2', ips: ['172.30.1.12'], podCIDRs: ['10.244.2.0/24'] }

/** A kernel that forgets what it is told: counts looks, and takes every write. */
function forgetfulKernel(uplink: { up: boolean }): { readonly kernel: OverlayKernel, readonly looks: () => number } {
  let looks = 0
  const link = (): Link => ({ index: 2, name: 'eth0', mtu: 1500, up: uplink.up, hardware: 1, kind: 'veth' }) as Link
  const tunnel = { index: 3, name: 'vxlan.weft', mtu: 1450, up: true, kind: 'vxlan' } as Link
  return {
    looks: () => looks,
    kernel: {
      nft: new FakeNft(),
      route: {
        addresses: () => [{ ...parseInterfaceAddress('172.30.1.11/24'), ifIndex: 2, scope: 'global' } as InterfaceAddress],
        link, findLink: () => undefined, addLink: () => tunnel, setLink() {}, deleteLink() {}, lookupRoute: () => undefined, fdb: () => [], neighbours: () => [], rules: () => [],
        routes: () => {
          looks += 1
          return []
        },
        transact: (list) => list.map(() => ({ messages: [], error: undefined })),
      },
    },
  }
}

interface Setup {
  readonly overlay: Overlay
  readonly clock: ManualClock
  readonly lines: ReturnType<typeof collectingLogger>['lines']
  /** Comparisons so far. */
  readonly looks: () => number
  readonly nodes: ReturnType<typeof storeOf<ReturnType<typeof nodeOf>>>
  stop(): Promise<void>
}

async function start(lines: readonly NodeLine[], { uplink = { up: true }, writeSysctls = async () => {} }: { readonly uplink?: { up: boolean }, readonly writeSysctls?: (overlay: () => Overlay) => Promise<void> } = {}): Promise<Setup> {
  const nodes = storeOf(lines.map(nodeOf))
  const clock = new ManualClock()
  const logger = collectingLogger()
  const { kernel, looks } = forgetfulKernel(uplink)
  const overlay: Overlay = createOverlay({
    config: configOf({ resync: '1h' }), nodeName: parseNodeName('n1'), nodes, blocks: undefined, kernel, clock, logger, registry: createRegistry(),
    events: async (signal) => ({
      // No event ever comes.
      [Symbol.asyncIterator]: () => ({ next: () => new Promise((resolve) => signal.addEventListener('abort', () => resolve({ done: true, value: undefined }), { once: true })) }),
    }),
    writeSysctls: () => writeSysctls(() => overlay),
  })
  const abort = new AbortController()
  const running = overlay.run(abort.signal)
  await clock.advance(200)
  return {
    overlay, clock, lines: logger.lines, looks: () => looks() / 2, nodes,
    async stop() {
      abort.abort()
      await running
    },
  }
}

describe('createOverlay()', () => {
  test('P7 compares once, again when told, and not when a change of objects changes no path', async () => {
    const { overlay, clock, looks, nodes, stop } = await start([n1, n2])
    expect([overlay.ready().ready, looks()]).toEqual([true, 1])
    nodes.put({ ...nodeOf(n2), labels: { zone: 'a' } })
    await clock.advance(200)
    expect(looks()).toBe(1)
    overlay.recheck()
    await clock.advance(200)
    expect(looks()).toBe(2)
    await stop()
  })

  test('O9 an edit that comes while a comparison waits is found by the next one', async () => {
    let told = false
    const { clock, looks, stop } = await start([n1, n2], {
      writeSysctls: async (overlay) => {
        if (told) return
        told = true
        await Promise.resolve()
        overlay().recheck()
      },
    })
    await clock.advance(200)
    expect(looks()).toBe(2)
    await stop()
  })

  test('is not ready while the uplink is down, and says which', async () => {
    const uplink = { up: false }
    const { overlay, clock, lines, stop } = await start([n1, n2], { uplink })
    expect(overlay.ready()).toEqual({ ready: false, waiting: ['overlay paths: Cannot reach other nodes: link "eth0" is down, wanted up'] })
    expect(lines.some(({ fields }) => String((fields['err'] as Error | undefined)?.message).includes('link "eth0" is down'))).toBe(true)
    uplink.up = true
    overlay.recheck()
    await clock.advance(2000)
    expect(overlay.ready().ready).toBe(true)
    await stop()
  })

  test('O3 what is left out is named once', async () => {
    const { overlay, clock, lines, stop } = await start([n1, { ...n2, podCIDRs: ['10.244.1.0/24'] }])
    overlay.recheck()
    await clock.advance(200)
    expect(lines.filter(({ message }) => message === 'left out of paths').map(({ fields }) => fields)).toEqual([{ node: 'n2', what: 'range 10.244.1.0/24', reason: 'overlaps 10.244.1.0/24 of node "n1"' }])
    await stop()
  })

  test('P5 without a Node object nothing is written', async () => {
    const { overlay, looks, stop } = await start([n2])
    expect([overlay.ready().ready, looks(), overlay.writes]).toEqual([false, 0, 0])
    expect(() => overlay.podMtuBytes).toThrow('its uplink is not known yet')
    await stop()
  })
})

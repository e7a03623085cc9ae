import { toPod } from '@weft/api'
import { realClock } from '@weft/daemon'
import { skippable } from '@weft/daemon/testing'
import { Conntrack } from '@weft/netlink'
import { whyNoKernelTests } from '@weft/netlink/testing'
import { baseChain, counter, diffTable, eq, ip, meta, NftSocket, rule, table } from '@weft/nftables'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { namespace, networkPolicy, nodeName, pod, storesOf } from '../test/cluster.ts'
import { createNodeNet, type NodeNet, type TestPod, wire } from '../test/pod-net.ts'
import { attachment, runPolicy } from '../test/running.ts'

const reason = whyNoKernelTests()
/** Of a thousand starts, ten thousand owners, a thousand restarts. All of them take ten minutes: `LEAK_SHARE=1`. */
const share = Number(process.env['LEAK_SHARE'] ?? 0.1)
/** A busy machine takes many times as long as an idle one. */
const timeout = share * 4_000_000
const denyAll = { policyTypes: ['Ingress', 'Egress'] }

describe.skipIf(reason !== undefined)(skippable('no packet leaks', reason), () => {
  let net: NodeNet
  let nft: NftSocket
  let conntrack: Conntrack
  let server: TestPod
  let outside: TestPod

  beforeAll(async () => {
    net = await createNodeNet([80, 81])
    nft = await NftSocket.open({ netns: net.node.path })
    conntrack = await Conntrack.open({ netns: net.node.path })
    server = await net.attach('weft2', ['10.244.1.3', 'fd00:10:244:1::3'])
    outside = await net.attach('eth9', ['203.0.113.10', '2001:db8:113::10'])
  }, 60_000)
  beforeEach(() => {
    nft.commit(diffTable(nft.read('inet', 'weft-policy'), table({ name: 'weft-policy' })))
    conntrack.flush()
  })
  afterAll(async () => {
    nft?.[Symbol.dispose]()
    conntrack?.[Symbol.dispose]()
    await net?.[Symbol.asyncDispose]()
  })

  const textsAt = async (of: TestPod): Promise<Readonly<Record<string, number>>> => await of.run({ do: 'texts' }) as Readonly<Record<string, number>>

  test('P4, NP-17: of pods that start under default deny, one after the other, and send from their first millisecond', { timeout }, async () => {
    const starts = Math.ceil(1000 * share)
    const ips = ['10.244.1.9', 'fd00:10:244:1::9'] as const
    const starter = await net.unwired(ips)
    const link = 'weft9'
    const seen = table({ name: 'seen', chains: [baseChain('in', { type: 'filter', hook: 'prerouting', priority: -400 }, [rule(eq(meta.iifname, link), eq(ip.saddr, ips[0]), counter())])] })
    nft.commit(diffTable(nft.read('inet', 'seen'), seen))
    await using running = runPolicy({ stores: storesOf([namespace('x'), pod('x/starter', {}), pod('x/server', { ips: server.ips, labels: { app: 'server' } }), networkPolicy('x/deny', { ...denyAll, podSelector: { matchExpressions: [{ key: 'app', operator: 'DoesNotExist' }] } })]), nft, flows: conntrack, time: realClock })
    await starter.run({ do: 'hammer', to: server.ips[0], port: 80, text: 'leaked' })
    for (let turn = 0; turn < starts; turn += 1) {
      const own = attachment('x/starter', ips, { containerId: `start-${turn}` })
      await running.policy.cover(own, running.signal)
      wire(starter.namespace, net.node, { link, ips })
      await realClock.sleep(2)
      net.node.route.deleteLink(net.node.route.link(link).index)
      await running.policy.uncover(own)
    }
    await starter.run({ do: 'stop' })
    expect((await textsAt(server))['leaked']).toBeUndefined()
    // It did try.
    const tried = JSON.stringify(nft.read('inet', 'seen')!.rules.get('in'), (_key, value: unknown) => (typeof value === 'bigint' ? Number(value) : value))
    expect(Number(/"packets":(\d+)/.exec(tried)![1])).toBeGreaterThan(starts / 2)
  })

  test('NP-18: of those that get the address of one with other policies', { timeout }, async () => {
    const turns = Math.ceil(10_000 * share)
    const client = await net.attach('weft8', ['10.244.1.8', 'fd00:10:244:1::8'])
    const objects = [
      namespace('x'), namespace('y'), networkPolicy('x/closed', { podSelector: { matchLabels: { kind: 'closed' } }, ...denyAll }),
      networkPolicy('y/in', { ingress: [{ from: [{ namespaceSelector: {}, podSelector: { matchLabels: { kind: 'open' } } }], ports: [{ port: 80, protocol: 'UDP' }] }] }),
      pod('x/open', { labels: { kind: 'open' } }), pod('x/closed', { labels: { kind: 'closed' } }), pod('y/server', { ips: server.ips }),
    ]
    await using running = runPolicy({ stores: storesOf(objects), nft, flows: conntrack, time: realClock })
    await running.policy.cover(attachment('y/server', server.ips), running.signal)
    for (let turn = 0; turn < turns; turn += 1) {
      const [open, closed] = [attachment('x/open', client.ips, { containerId: `open-${turn}` }), attachment('x/closed', client.ips, { containerId: `closed-${turn}` })]
      await running.policy.cover(open, running.signal)
      // The API shows the last owner for a while.
      if (turn % 100 === 0) {
        running.stores.pods.put(toPod(pod('x/open', { labels: { kind: 'open' }, ips: client.ips })))
        await client.run({ do: 'send', to: server.ips[0], port: 80, text: 'open' })
      }
      await running.policy.uncover(open)
      await running.policy.cover(closed, running.signal)
      await Promise.all([client.run({ do: 'send', to: server.ips[turn % 2]!, port: 80, text: 'leaked out' }), outside.run({ do: 'send', to: client.ips[turn % 2]!, port: 80, text: 'leaked in' })])
      await running.policy.uncover(closed)
    }
    expect([(await textsAt(server))['leaked out'], (await textsAt(client))['leaked in']]).toEqual([undefined, undefined])
    expect((await textsAt(server))['open']).toBeGreaterThan(turns / 200)
  })

  test('P5, P6: of those that come a thousand times a second while the agent starts again and again, and none of the allowed is lost', { timeout }, async () => {
    const restarts = Math.ceil(1000 * share)
    const client = await net.attach('weft7', ['10.244.1.7', 'fd00:10:244:1::7'])
    const objects = [
      namespace('x'), pod('x/client', { ips: client.ips, labels: { app: 'client' } }), pod('x/server', { ips: server.ips, labels: { app: 'server' } }),
      networkPolicy('x/in', { podSelector: { matchLabels: { app: 'server' } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: 'client' } } }], ports: [{ port: 80, protocol: 'UDP' }] }] }),
    ]
    const start = async (): Promise<void> => {
      await using running = runPolicy({ stores: storesOf(objects), nft, podsOfNode: nodeName, flows: conntrack, time: realClock })
      await running.settled()
    }
    await start()
    const countsAt = async (): Promise<Readonly<Record<string, number>>> => await server.run({ do: 'count' }) as Readonly<Record<string, number>>
    const before = await countsAt()
    await Promise.all([client.run({ do: 'blast', to: server.ips[0], ports: [80, 81] }), outside.run({ do: 'blast', to: server.ips[0], ports: [81] })])
    for (let turn = 0; turn < restarts; turn += 1) await start()
    const [sent] = await Promise.all([client.run({ do: 'stop' }) as Promise<number>, outside.run({ do: 'stop' })])
    await realClock.sleep(200)
    const after = await countsAt()
    const got = (port: number): number => (after[port] ?? 0) - (before[port] ?? 0)
    expect([got(80), got(81)]).toEqual([sent, 0])
    expect(sent).toBeGreaterThan(restarts)
  })
})

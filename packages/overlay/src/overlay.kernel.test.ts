import { type Node, parseNodeName, priorities } from '@weft/api'
import { createRegistry, realClock } from '@weft/daemon'
import { collectingLogger, type LogLine, skippable } from '@weft/daemon/testing'
import { formatCidr, formatIp, parseCidr, parseIp } from '@weft/ip'
import { storeOf } from '@weft/kube/testing'
import type { Store } from '@weft/kube'
import { monitor, requests, ensureDone, writeSysctls } from '@weft/netlink'
import { whyNoKernelTests, whyNoPrograms } from '@weft/netlink/testing'
import { baseChain, countIn, diffTable, eq, ip, ip6, namedCounter, NftSocket, rule, table, Transaction, udp } from '@weft/nftables'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { configOf, nodeOf } from '../test/cluster-file.ts'
import { createCluster, outsideIps, type TestCluster, type TestNode } from '../test/cluster-fixture.ts'
import { eventGroups } from './kernel-events.ts'
import { createOverlay, type Overlay } from './overlay.ts'

interface Running {
  readonly overlay: Overlay
  readonly nodes: Store<Node>
  readonly lines: readonly LogLine[]
  stop(): Promise<void>
}

/** Starts the overlay of one node; it follows the events of its namespace. */
async function start(node: TestNode, all: readonly TestNode[], rest: Readonly<Record<string, unknown>> = {}): Promise<Running> {
  const nodes = storeOf(all.map(nodeOf))
  const logger = collectingLogger()
  const { path: netns, route } = node.namespace
  const overlay = createOverlay({
    config: configOf({ resync: '1h', ...rest }), nodeName: parseNodeName(node.name), nodes, blocks: undefined, kernel: { route, nft: node.nft }, clock: realClock, logger, registry: createRegistry(),
    events: (signal) => monitor({ groups: eventGroups, netns, signal }),
    writeSysctls: (values) => writeSysctls(netns, values),
  })
  const abort = new AbortController()
  const running = overlay.run(abort.signal)
  await overlay.whenReady(AbortSignal.timeout(5000))
  return {
    overlay, nodes, lines: logger.lines,
    async stop() {
      abort.abort()
      await running
    },
  }
}

async function within(ms: number, what: string, holds: () => boolean): Promise<void> {
  const end = realClock.now() + ms
  while (!holds()) {
    if (realClock.now() > end) throw new Error(`Cannot go on: ${what} did not come about within ${ms} ms`)
    await realClock.sleep(10)
  }
}

const missing = whyNoKernelTests()
const noIp = missing ?? whyNoPrograms('ip')

/** Our routes of the main table, in the words of `ip route`. */
function mainRoutes({ namespace: { route } }: TestNode): string[] {
  return route.routes({ table: 254, protocol: 88 }).map(({ type, destination, via, ifIndex, source, metric, onlink }) => [
    ...(type === 'unicast' ? [] : [type]), formatCidr(destination),
    ...(via === undefined ? [] : [`via ${formatIp(via)}`]),
    ...(type === 'unicast' && ifIndex !== undefined ? [`dev ${route.link(ifIndex).name}`] : []),
    'proto 88',
    ...(source === undefined ? [] : [`src ${formatIp(source)}`]),
    `metric ${metric}`,
    ...(onlink ? ['onlink'] : []),
  ].join(' '))
}

/** What `ip` itself prints. */
function listedRoutes(node: TestNode): string[] {
  return ['-4', '-6'].flatMap((family) => node.namespace.exec('ip', [family, 'route', 'show']).split('\n').filter((line) => line.includes(' proto 88 ')).map((line) => line.replace(/ pref medium| dev lo/g, '').trim()).filter(Boolean))
}

for (const families of [[4, 6], [4], [6]] as const) {
  describe.skipIf(missing !== undefined)(skippable(`overlay with ${families.map((family) => `IPv${family}`).join(' and ')}`, missing), () => {
    let cluster: TestCluster
    let running: Running[] = []
    const [n1, n2, n3] = [0, 1, 2].map((at) => (): TestNode => cluster.nodes[at]!) as [() => TestNode, () => TestNode, () => TestNode]
    const ipOf = (ips: readonly string[], family: 4 | 6): string => ips.find((ip) => ip.includes(':') === (family === 6))!

    beforeAll(async () => {
      cluster = await createCluster({ families })
      running = await Promise.all(cluster.nodes.map((node) => start(node, cluster.nodes)))
    })
    afterAll(async () => {
      await Promise.all(running.map((each) => each.stop()))
      await cluster?.[Symbol.asyncDispose]()
    })

    for (const family of families) {
      test(`O6 NET-2 NET-7 pods reach pods on one link and across the router, source kept (IPv${family})`, async () => {
        for (const from of cluster.nodes) {
          for (const to of cluster.nodes) expect(await cluster.ask(from.pod, ipOf(to.podIps, family)), `${from.name} to ${to.name}`).toBe(ipOf(from.podIps, family))
        }
      })

      test(`O6 NET-4 NET-10 nodes reach pods and pods reach nodes, source kept (IPv${family})`, async () => {
        for (const from of cluster.nodes) {
          for (const to of cluster.nodes) {
            expect(await cluster.ask(from.namespace, ipOf(to.podIps, family)), `node ${from.name} to pod of ${to.name}`).toBe(ipOf(from.ips, family))
            expect(await cluster.ask(from.pod, ipOf(to.ips, family)), `pod of ${from.name} to node ${to.name}`).toBe(ipOf(from.podIps, family))
          }
        }
      })

      test(`O7 NET-9 pods reach the outside with the address of their node (IPv${family})`, async () => {
        for (const node of cluster.nodes) expect(await cluster.ask(node.pod, outsideIps[family])).toBe(ipOf(node.ips, family))
      })

      test(`O8 NET-11 NET-12 datagrams larger than any MTU arrive, by the link and by the tunnel (IPv${family})`, async () => {
        for (const node of [n1().pod, n1().namespace]) for (const to of [n2(), n3()]) expect(await cluster.ask(node, ipOf(to.podIps, family), { bytes: 4000 })).not.toBe('-')
      })
    }

    test('routes read back as they are dumped', () => {
      const dumped = running[0]!.overlay.dump().split('\n').filter((line) => line.startsWith('route ') && !line.includes('table 8700')).map((line) => line.slice('route '.length))
      expect(mainRoutes(n1()).toSorted()).toEqual(dumped.toSorted())
    })

    test.skipIf(noIp !== undefined)(skippable('routes are dumped as `ip` prints them', noIp), () => {
      expect(listedRoutes(n1()).toSorted()).toEqual(mainRoutes(n1()).toSorted())
    })

    test('O2 a second comparison writes nothing', async () => {
      const before = running.map(({ overlay }) => overlay.writes)
      for (const { overlay } of running) overlay.recheck()
      await realClock.sleep(200)
      expect(running.map(({ overlay }) => overlay.writes)).toEqual(before)
    })

    test('O9 a link that goes down and up has its routes again within a second', async () => {
      const wanted = mainRoutes(n1())
      const { route } = n1().namespace
      const { index } = route.link('eth0')
      const gone = route.addresses({ ifIndex: index }).filter(({ scope }) => scope === 'global')
      route.setLink(index, { up: false })
      await within(1000, 'a word about the link', () => running[0]!.lines.some(({ fields }) => String((fields['err'] as Error | undefined)?.message).includes('is down')) || !families.includes(4 as never))
      route.setLink(index, { up: true })
      // IPv6 addresses, and default routes, are the administrator's to bring back.
      ensureDone(route.transact(gone.map(({ address, prefix }) => requests.replaceAddress({ ifIndex: index, address, prefix, noDad: true }))))
      await within(1000, 'the routes', () => mainRoutes(n1()).join() === wanted.join())
      ensureDone(route.transact(families.map((family) => requests.replaceRoute({ destination: parseCidr(family === 4 ? '0.0.0.0/0' : '::/0'), via: parseIp(family === 4 ? '172.30.1.1' : 'fd00:172:30:1::1'), ifIndex: index }))))
      for (const family of families) expect(await cluster.ask(n1().pod, ipOf(n3().podIps, family))).toBe(ipOf(n1().podIps, family))
    })

    test('O9 what others delete or change comes back: link, routes, rules', async () => {
      const { route } = n1().namespace
      const wanted = mainRoutes(n1())
      route.deleteLink(route.link('vxlan.weft').index)
      await within(1000, 'the tunnel', () => route.findLink('vxlan.weft') !== undefined && mainRoutes(n1()).join() === wanted.join())
      const old = route.link('vxlan.weft').index
      route.setLink(old, { up: false, mtu: 1300 })
      await within(1000, 'the MTU', () => route.link('vxlan.weft').up && route.link('vxlan.weft').mtu > 1300)
      const [family] = families
      route.deleteRoute({ destination: parseCidr(family === 4 ? '10.244.3.0/24' : 'fd00:10:244:3::/64') })
      await within(1000, 'the route', () => mainRoutes(n1()).join() === wanted.join())
      for (const rule of route.rules().filter(({ priority }) => priority === 8700)) route.deleteRule(rule)
      await within(1000, 'the rules', () => route.rules().filter(({ priority }) => priority === 8700).length === families.length)
      for (const family of families) expect(await cluster.ask(n1().pod, ipOf(n3().ips, family))).toBe(ipOf(n1().podIps, family))
    })

    test('O8 the MTU of pods follows the uplink', async () => {
      const { route } = n1().namespace
      const overhead = families.includes(4 as never) ? 50 : 70
      expect(running[0]!.overlay.podMtuBytes).toBe(1500 - overhead)
      route.setLink(route.link('eth0').index, { mtu: 1400 })
      await within(1000, 'the new MTU', () => running[0]!.overlay.podMtuBytes === 1400 - overhead && route.link('vxlan.weft').mtu === 1400 - overhead)
      route.setLink(route.link('eth0').index, { mtu: 1500 })
      await within(1000, 'the old MTU', () => running[0]!.overlay.podMtuBytes === 1500 - overhead)
    })

    test('fault 38 a peer that vanishes and comes back elsewhere with other ranges: no stale route, neighbour or end', async () => {
      const { route } = n1().namespace
      const wanted = mainRoutes(n1())
      running[0]!.nodes.remove('n3')
      await within(1000, 'the route gone', () => !mainRoutes(n1()).some((line) => line.includes('vxlan.weft')))
      const tunnel = route.link('vxlan.weft').index
      expect(route.fdb(tunnel)).toEqual([])
      expect(route.neighbours({ ifIndex: tunnel }).filter(({ state }) => state === 'permanent')).toEqual([])
      expect(route.rules().filter(({ priority }) => priority === 8700)).toEqual([])
      const moved = { name: 'n3', ips: families.map((family) => (family === 4 ? '172.30.2.99' : 'fd00:172:30:2::99')), podCIDRs: families.map((family) => (family === 4 ? '10.244.33.0/24' : 'fd00:10:244:33::/64')) }
      running[0]!.nodes.put(nodeOf(moved))
      await within(1000, 'the new route', () => mainRoutes(n1()).some((line) => /10\.244\.33\.|244:33/.test(line)))
      // Back behind the router as it was, by way of the link itself: a route moves between devices.
      running[0]!.nodes.put(nodeOf({ ...moved, podCIDRs: n3().podCIDRs, ips: families.map((family) => (family === 4 ? '172.30.1.33' : 'fd00:172:30:1::33')) }))
      await within(1000, 'the direct route', () => !mainRoutes(n1()).some((line) => line.includes('vxlan.weft')))
      running[0]!.nodes.put(nodeOf(n3()))
      await within(1000, 'the first route', () => mainRoutes(n1()).join() === wanted.join())
      for (const family of families) expect(await cluster.ask(n1().pod, ipOf(n3().podIps, family))).toBe(ipOf(n1().podIps, family))
    })

    test('P8 routes, rules and links of others stay', async () => {
      const { route } = n1().namespace
      const eth0 = route.link('eth0').index
      const [family] = families
      const foreign = parseCidr(family === 4 ? '10.244.200.0/24' : 'fd00:10:244:200::/64')
      route.addRoute({ destination: foreign, ifIndex: eth0, protocol: 4 })
      // Same destination as one of ours: the administrator's wins and stays.
      const taken = parseCidr(family === 4 ? '10.244.2.0/24' : 'fd00:10:244:2::/64')
      route.addRoute({ destination: taken, ifIndex: eth0, protocol: 4 })
      route.addRule({ family, priority: 8700, table: 9999, protocol: 4 })
      running[0]!.nodes.remove('n2')
      running[0]!.overlay.recheck()
      await within(1000, 'the route of n2 gone', () => !mainRoutes(n1()).some((line) => /172\.30\.1\.12|30:1::12/.test(line)))
      running[0]!.nodes.put(nodeOf(n2()))
      await within(1000, 'the route of n2', () => mainRoutes(n1()).some((line) => /172\.30\.1\.12|30:1::12/.test(line)))
      expect(route.routes({ protocol: 4 }).filter(({ destination }) => destination.bits === foreign.bits || destination.bits === taken.bits)).toHaveLength(2)
      route.deleteRule({ family, priority: 8700, table: 9999, protocol: 4 })
      route.deleteRoute({ destination: foreign, protocol: 4 })
      route.deleteRoute({ destination: taken, protocol: 4 })
    })

    test('O10 a pod cannot put packets into the tunnel', async () => {
      // Counts what comes for the tunnel from pods, and what our chain lets pass.
      const fromPods = (name: string) => [rule(eq(ip.saddr, '10.244.0.0/16'), eq(udp.dport, 4789), countIn(name)), rule(eq(ip6.saddr, 'fd00:10:244::/48'), eq(udp.dport, 4789), countIn(name))]
      const watcher = table({
        name: 'watcher', counters: [namedCounter('came'), namedCounter('passed')],
        chains: [
          baseChain('before', { type: 'filter', hook: 'input', priority: priorities.policy - 1 }, fromPods('came')),
          baseChain('after', { type: 'filter', hook: 'input', priority: priorities.policy + 1 }, fromPods('passed')),
        ],
      })
      using nft = await NftSocket.open({ netns: n3().namespace.path })
      nft.commit(diffTable(undefined, watcher))
      for (const family of families) await cluster.ask(n1().pod, ipOf(n3().ips, family), { port: 4789 })
      const packets = new Map(nft.read('inet', 'watcher')!.table.counters.map((counter) => [counter.name, Number(counter.packets)]))
      nft.commit(new Transaction(watcher).destroyTable())
      expect(packets.get('came')).toBeGreaterThanOrEqual(families.length)
      expect(packets.get('passed')).toBe(0)
    })

    test('P10 a node the kernel cannot route to is one fault, and no other path suffers', async () => {
      const hostile = families.map((family) => (family === 4 ? '172.30.1.255' : 'fd00:172:30:1::'))
      running[0]!.nodes.put(nodeOf({ name: 'n4', ips: hostile, podCIDRs: ['10.244.4.0/24'] }))
      running[0]!.nodes.put(nodeOf({ name: 'n5', ips: families.map((family) => (family === 4 ? '172.30.1.15' : 'fd00:172:30:1::15')), podCIDRs: families.map((family) => (family === 4 ? '10.244.5.0/24' : 'fd00:10:244:5::/64')) }))
      await within(1000, 'the route of n5', () => mainRoutes(n1()).some((line) => /10\.244\.5\.0|244:5::/.test(line)))
      expect(running[0]!.overlay.ready().ready).toBe(true)
      running[0]!.nodes.remove('n4')
      running[0]!.nodes.remove('n5')
    })
  })
}

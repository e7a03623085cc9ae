import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { realClock } from '@weft/daemon'
import { skippable } from '@weft/daemon/testing'
import { formatCidr, parseCidr, parseIp, parseMac } from '@weft/ip'
import { type NetlinkRequest, requests } from '@weft/netlink'
import { whyNoKernelTests } from '@weft/netlink/testing'
import { accept, baseChain, diffTable, eq, ip, rule, table, Transaction } from '@weft/nftables'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ClusterFile, NodeLine } from '../test/cluster-file.ts'
import { manyNodes } from '../test/many-nodes.ts'
import { SingleNode } from '../test/single-node.ts'
import { type OverlayKernel, reconcileOverlay } from './reconcile.ts'

const addresses = ['172.16.0.1/16', 'fd00:172:1::1/64']
const cluster = (nodes: readonly NodeLine[], config: Readonly<Record<string, unknown>> = {}): Pick<ClusterFile, 'node' | 'nodes' | 'config'> => ({ node: 'n1', nodes, config })

function apply(node: SingleNode, file: Pick<ClusterFile, 'node' | 'nodes' | 'config'>, kernel: OverlayKernel = node.kernel): ReturnType<typeof reconcileOverlay> {
  const { state, uplink } = node.compile(file)
  return reconcileOverlay(kernel, state, uplink)
}

/** A kernel that dies after that many requests: what a killed process leaves behind. */
function dyingAfter(node: SingleNode, count: number): OverlayKernel {
  let left = count
  const real = node.namespace.route
  const spend = (wanted: number): number => {
    const given = Math.min(wanted, left)
    left -= given
    return given
  }
  const once = <A extends unknown[], T>(work: (...args: A) => T) => (...args: A): T => {
    if (spend(1) === 0) throw new Error('killed')
    return work(...args)
  }
  return {
    nft: { commit: once((tx: Transaction) => node.nft.commit(tx)), check: (tx) => node.nft.check(tx), read: (...args) => node.nft.read(...args), watch: (...args) => node.nft.watch(...args) },
    route: {
      findLink: (name) => real.findLink(name), link: (name) => real.link(name), fdb: (index) => real.fdb(index), neighbours: (filter) => real.neighbours(filter),
      addresses: (filter) => real.addresses(filter), routes: (filter) => real.routes(filter), rules: (filter) => real.rules(filter), lookupRoute: (to) => real.lookupRoute(to),
      addLink: once((spec) => real.addLink(spec)), setLink: once((index, change) => real.setLink(index, change)), deleteLink: once((index) => real.deleteLink(index)),
      transact(list: readonly NetlinkRequest[]) {
        const given = spend(list.length)
        const outcomes = real.transact(list.slice(0, given))
        if (given < list.length) throw new Error('killed')
        return outcomes
      },
    },
  }
}

const missing = whyNoKernelTests()

describe.skipIf(missing !== undefined)(skippable('reconcileOverlay()', missing), () => {
  test('O2 O5 whatever came before, the kernel is as wanted after one run, and a second writes nothing', async () => {
    const line = (name: string, ips: readonly string[][], ranges: readonly string[][]): fc.Arbitrary<NodeLine> => fc.record({ name: fc.constant(name), ips: fc.constantFrom(...ips), podCIDRs: fc.constantFrom(...ranges) })
    const files = fc.record({
      node: fc.constant('n1'),
      config: fc.constantFrom({}, {}, {}, { mode: 'direct' }, { mode: 'vxlan' }, { vni: 99 }, { masquerade: false }, { mtuBytes: 1400 }),
      nodes: fc.tuple(
        line('n1', [['172.16.0.1', 'fd00:172:1::1'], ['172.16.0.1'], ['fd00:172:1::1']], [['10.65.1.0/24', 'fd00:10:1::/64'], ['10.65.1.0/24'], [], ['10.65.1.0/24', '10.65.2.0/24']]),
        line('n0', [['172.16.0.2', 'fd00:172:1::2'], ['172.17.0.2', 'fd00:172:2::2'], ['172.17.0.9'], []], [['10.65.2.0/24', 'fd00:10:2::/64'], ['10.65.1.0/24', 'fd00:10:1::/64'], ['10.65.9.0/24']]),
        line('n3', [['172.16.0.3', 'fd00:172:1::3'], ['172.17.0.3', 'fd00:172:2::3'], ['172.16.0.2']], [['10.65.3.0/24', 'fd00:10:3::/64'], ['10.65.2.0/24', 'fd00:10:2::/64'], ['10.65.3.0/25', '10.65.3.128/26']]),
      ),
    })
    await fc.assert(fc.asyncProperty(fc.array(files, { minLength: 2, maxLength: 5 }), async (steps) => {
      await using node = await SingleNode.create(addresses)
      for (const step of steps) {
        expect(apply(node, step).faults).toEqual([])
        expect(apply(node, step).written).toBe(0)
      }
      await using fresh = await SingleNode.create(addresses)
      apply(fresh, steps.at(-1)!)
      expect(node.dump()).toBe(fresh.dump())
    }), { numRuns: 15 })
  }, 60_000)

  test('O5 killed between any two writes, the next run converges without starting over, and routes only lead where the rest is in place', async () => {
    const before = cluster(manyNodes(4))
    const after = cluster([...manyNodes(2), { ...manyNodes(3)[2]!, ips: ['172.17.9.9', 'fd00:172:2::99'] }, { ...manyNodes(6)[5]!, podCIDRs: ['10.77.0.0/24'] }])
    await using fresh = await SingleNode.create(addresses)
    apply(fresh, after)
    for (let killedAfter = 0, finished = false; !finished; killedAfter += 1) {
      await using node = await SingleNode.create(addresses)
      apply(node, before)
      const { route } = node.namespace
      const kept = route.link('vxlan.weft').index
      try {
        const { faults } = apply(node, after, dyingAfter(node, killedAfter))
        finished = faults.length === 0
      } catch {
        // Killed in the middle of a batch.
      }
      const hops = new Set(route.neighbours({ ifIndex: kept }).filter(({ state }) => state === 'permanent').map(({ address, mac }) => `${address.bits} ${mac}`))
      const ends = new Set(route.fdb(kept).map(({ mac }) => mac))
      for (const { via, ifIndex, destination } of route.routes({ protocol: 88 })) {
        if (ifIndex !== kept || via === undefined) continue
        const hop = [...hops].find((each) => each.startsWith(`${via.bits} `))
        expect(hop, `${formatCidr(destination)} after ${killedAfter} writes`).toBeDefined()
        expect(ends.has(parseMac(hop!.split(' ')[1]!))).toBe(true)
      }
      apply(node, after)
      expect(route.link('vxlan.weft').index).toBe(kept)
      expect(node.dump()).toBe(fresh.dump())
      expect(apply(node, after).written).toBe(0)
    }
  }, 60_000)

  test('fault 3 SIGKILL at any moment leaves a kernel that one run puts right', async () => {
    await using node = await SingleNode.create(addresses)
    await using fresh = await SingleNode.create(addresses)
    const wanted = cluster(manyNodes(45))
    apply(fresh, wanted)
    for (let round = 0; round < 5; round += 1) {
      const child = spawn(process.execPath, ['-C', 'dev', fileURLToPath(new URL('../test/overlay-child.ts', import.meta.url)), node.namespace.path], { stdio: ['ignore', 'pipe', 'inherit'], env: { PATH: process.env['PATH'] } })
      await new Promise((resolve) => child.stdout.once('data', resolve))
      await realClock.sleep(20 + 7 * round)
      const exit = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await exit
      expect(apply(node, wanted).faults).toEqual([])
      expect(node.dump()).toBe(fresh.dump())
      expect(apply(node, wanted).written).toBe(0)
    }
  }, 60_000)

  test('P8 what others changed in what is ours is put right, what is theirs stays', async () => {
    await using node = await SingleNode.create(addresses)
    const file = cluster(manyNodes(4))
    apply(node, file)
    const wanted = node.dump()
    const { route } = node.namespace
    const tunnel = route.link('vxlan.weft').index
    const eth0 = route.link('eth0').index
    const { fdb, hops } = { fdb: route.fdb(tunnel), hops: route.neighbours({ ifIndex: tunnel, family: 4 }).filter(({ state }) => state === 'permanent') }
    route.transact([
      requests.deleteFdb({ ifIndex: tunnel, mac: fdb[0]!.mac, destination: fdb[0]!.destination }),
      requests.appendFdb({ ifIndex: tunnel, mac: parseMac('02:00:00:00:00:99'), destination: parseIp('172.17.0.99') }),
      requests.appendFdb({ ifIndex: tunnel, mac: parseMac('00:00:00:00:00:00'), destination: parseIp('172.17.0.98') }),
      requests.replaceNeighbour({ ifIndex: tunnel, address: hops[0]!.address, mac: parseMac('02:00:00:00:00:99') }),
      requests.replaceNeighbour({ ifIndex: tunnel, address: parseIp('192.0.2.1'), mac: parseMac('02:00:00:00:00:99') }),
      requests.addRoute({ destination: parseCidr('192.0.2.0/24'), ifIndex: eth0, protocol: 88 }),
      requests.addRoute({ destination: parseCidr('192.0.2.0/24'), ifIndex: eth0, protocol: 4, metric: 5 }),
      requests.addRule({ family: 4, priority: 8700, protocol: 88, table: 8700, from: parseCidr('192.0.2.0/24') }),
      requests.addRule({ family: 4, priority: 8699, table: 8700, from: parseCidr('192.0.2.0/24') }),
    ])
    node.nft.commit(new Transaction({ family: 'inet', name: 'weft-overlay' }).addRule('outside', rule(eq(ip.daddr, parseIp('192.0.2.1')), accept)))
    const foreign = table({ name: 'foreign', chains: [baseChain('outside', { type: 'nat', hook: 'postrouting', priority: 90 }, [])] })
    node.nft.commit(diffTable(undefined, foreign))
    expect(apply(node, file).faults).toEqual([])
    expect(node.dump()).toBe(wanted)
    expect(route.routes({ protocol: 4 }).map(({ destination }) => formatCidr(destination))).toContain('192.0.2.0/24')
    expect(route.rules().some(({ priority }) => priority === 8699)).toBe(true)
    expect(node.nft.read('inet', 'foreign')).toBeDefined()
  })

  test('P7 a node more costs its own writes, whatever the size of the cluster', async () => {
    await using node = await SingleNode.create(addresses)
    apply(node, cluster(manyNodes(200)))
    // End, two neighbours, two routes, two routes to the node, and the sets of which ranges merge with their neighbours.
    expect(apply(node, cluster(manyNodes(202))).written).toBeLessThan(60)
  })

  test('a tunnel that cannot be made leaves the paths on the link', async () => {
    await using node = await SingleNode.create(addresses)
    const { route } = node.namespace
    route.addLink({ kind: 'vxlan', name: 'other', vni: 87, port: 4789, learning: false })
    const { faults } = apply(node, cluster(manyNodes(4)))
    expect(faults).toHaveLength(1)
    expect(route.routes({ protocol: 88, family: 4 }).filter(({ type }) => type === 'unicast').map(({ destination }) => formatCidr(destination))).toEqual(['10.64.3.0/24'])
  })
})

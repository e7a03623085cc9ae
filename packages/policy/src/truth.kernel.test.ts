import { skippable } from '@weft/daemon/testing'
import { parseIp } from '@weft/ip'
import { Conntrack } from '@weft/netlink'
import { whyNoKernelTests } from '@weft/netlink/testing'
import { diffTable, NftSocket } from '@weft/nftables'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ownAddress, podNames, tieredClusterArbitrary } from '../test/arbitraries.ts'
import { judgeHere } from '../test/evaluated.ts'
import { createNodeNet, type NodeNet, type TestPod } from '../test/pod-net.ts'
import { stateOf } from '../test/running.ts'

const reason = whyNoKernelTests()
/** Another one makes other worlds. */
const seed = Number(process.env['TRUTH_SEED'] ?? 7)
const worlds = 9
/** How long a packet may take that nothing holds up; a connection that did not come is asked for again, for longer. */
const patiencesMs = [300, 1500, 5000]

interface Target {
  readonly protocol: 'tcp' | 'udp'
  readonly to: string
  readonly port: number
}

describe.skipIf(reason !== undefined)(skippable('packets and the evaluator', reason), () => {
  let net: NodeNet
  let nft: NftSocket
  let conntrack: Conntrack
  const pods: TestPod[] = []

  beforeAll(async () => {
    net = await createNodeNet([80, 81])
    nft = await NftSocket.open({ netns: net.node.path })
    conntrack = await Conntrack.open({ netns: net.node.path })
    const places = [...podNames.map((name, index) => ({ link: name === 'y/far' ? 'eth8' : `weft${index}`, host: `${name === 'y/far' ? 2 : 1}`, index })), { link: 'eth9', host: '', index: -1 }]
    for (const { link, host, index } of places) pods.push(await net.attach(link, index < 0 ? ['203.0.113.9', '2001:db8:113::9'] : [`10.244.${host}.${index + 2}`, `fd00:10:244:${host}::${index + 2}`]))
  }, 60_000)
  afterAll(async () => {
    nft?.[Symbol.dispose]()
    conntrack?.[Symbol.dispose]()
    await net?.[Symbol.asyncDispose]()
  })

  /** Asks all, and again what should have come through: a packet may be late, but never early. */
  async function outcomes(from: TestPod, targets: readonly Target[], isWanted: (target: Target) => boolean): Promise<ReadonlyMap<Target, boolean>> {
    const found = new Map<Target, boolean>()
    for (const timeoutMs of patiencesMs) {
      const open = targets.filter((target) => found.get(target) === undefined || (isWanted(target) && found.get(target) === false))
      if (open.length === 0) break
      const results = await from.run({ do: 'probe', targets: open, timeoutMs }) as readonly boolean[]
      for (const [index, target] of open.entries()) found.set(target, results[index]!)
    }
    return found
  }

  test('NP-1 to NP-14, NP-21, NP-65, CNP-1 to CNP-11: two thousand connections of nine random worlds end as the evaluator says', { timeout: 300_000 }, async () => {
    const counted = { true: 0, false: 0 }
    for (const [number, objects] of fc.sample(tieredClusterArbitrary, { seed, numRuns: worlds }).entries()) {
      nft.commit(diffTable(nft.read('inet', 'weft-policy'), stateOf(objects).table()))
      conntrack.flush()
      const judge = judgeHere(objects)
      const wrong = await Promise.all([...pods, net.host].map(async (from) => {
        const targets: readonly Target[] = [...pods, net.host].filter((to) => to !== from).flatMap((to) => to.ips.flatMap((ip) => [80, 81].flatMap((port) => (['tcp', 'udp'] as const).map((protocol) => ({ protocol, to: ip, port })))))
        const isWanted = ({ protocol, to, port }: Target): boolean => judge({ from: parseIp(from.ips[to.includes(':') ? 1 : 0]), to: parseIp(to), protocol: protocol === 'tcp' ? 'TCP' : 'UDP', port })
        const found = await outcomes(from, targets, isWanted)
        for (const target of targets) counted[`${isWanted(target)}`] += 1
        return targets.filter((target) => found.get(target) !== isWanted(target)).map((target) => ({ from: from.ips[0], ...target, wanted: isWanted(target) }))
      }))
      expect(wrong.flat(), `world ${number} of seed ${seed}`).toEqual([])
    }
    expect(counted.true + counted.false).toBeGreaterThan(2000)
    expect(Math.min(counted.true, counted.false)).toBeGreaterThan(300)
    expect(ownAddress[4]).toBe(net.host.ips[0])
  })
})

import { skippable } from '@weft/daemon/testing'
import { TestNamespace, whyNoKernelTests, whyNoPrograms } from '@weft/netlink/testing'
import { programs } from '@weft/plugin/testing'
import { afterEach, describe, expect, it } from 'vitest'
import { createNode, eventually, hostLinks, type NodeFixture } from '../test/node-fixture.ts'
import { pour, sink } from '../test/talk.ts'
import { linkIdentity } from './link-name.ts'

const reason = whyNoKernelTests() ?? whyNoPrograms('nft', 'tc')
const [[, program]] = await programs()
const limit = { ingressRate: 8_000_000, ingressBurst: 400_000, egressRate: 8_000_000, egressBurst: 400_000 }
/** A rule of nft has room for a second's worth more than its burst. */
const megabytes = 3_000_000
const leastMs = 1500

describe.skipIf(reason !== undefined)(skippable('limits of bandwidth in nftables', reason), () => {
  let node: NodeFixture
  const pods: TestNamespace[] = []
  afterEach(async () => {
    for (const pod of pods.splice(0)) await pod[Symbol.asyncDispose]()
    await node[Symbol.asyncDispose]()
  })

  async function add(containerId: string, bandwidth?: object): Promise<{ readonly pod: TestNamespace, readonly result: unknown }> {
    const pod = await TestNamespace.create()
    pods.push(pod)
    const { exitCode, stdout } = await node.call('ADD', { containerId, netns: pod.path, config: bandwidth === undefined ? {} : { runtimeConfig: { bandwidth } } })
    expect([exitCode, exitCode === 0 ? '' : stdout]).toEqual([0, ''])
    return { pod, result: JSON.parse(stdout) as unknown }
  }
  const table = (): string => node.namespace.exec('nft', ['list', 'table', 'inet', 'weft-cni'])

  it('CNI-46 without token buckets what is too much is dropped, both ways; it is told, put back, seen by CHECK and gone with DEL', async () => {
    node = await createNode(program, { shaping: false })
    await node.start()
    expect(node.lines.map(({ message }) => message)).toContain('the kernel has no token buckets: limits of bandwidth drop packets instead of delaying them')
    const { pod: limited, result } = await add('limited', limit)
    const { pod: free } = await add('free')
    expect([limited.route.link('eth0').qdisc, node.namespace.route.link(linkIdentity('limited', 'eth0').hostIfname).qdisc]).toEqual(['noqueue', 'noqueue'])
    using _limited = await sink(limited, 7000)
    using _free = await sink(free, 7000)
    expect(pour(node.namespace, '10.244.1.2', 7000, megabytes)).toBeGreaterThan(leastMs)
    expect(pour(limited, '10.244.1.3', 7000, megabytes)).toBeGreaterThan(leastMs)
    const check = async (): Promise<number> => (await node.call('CHECK', { containerId: 'limited', netns: limited.path, config: { prevResult: result } })).exitCode
    expect(await check()).toBe(0)
    node.namespace.exec('nft', ['flush', 'chain', 'inet', 'weft-cni', `ingress-${linkIdentity('limited', 'eth0').hostIfname}`])
    expect(await check()).toBe(1)
    node.cni.recheck()
    await expect.poll(check).toBe(0)
    // A new agent finds what the last one left, and writes nothing.
    await node.stop()
    await node.start()
    expect([node.cni.writes, await check()]).toEqual([0, 0])
    expect((await node.call('DEL', { containerId: 'limited', netns: limited.path })).exitCode).toBe(0)
    expect(table()).not.toContain('limit rate')
    await eventually('the link goes', () => hostLinks(node.namespace).length === 1)
  }, 60_000)

  it.each([true, false])('CNI-46 limits from a bit to a petabit per second are taken (token buckets: %s)', async (shaping) => {
    node = await createNode(program, { shaping })
    await node.start()
    const limits = [[1, 1], [8_000, 8_000], [1e6, 2 ** 31 - 1], [1e9, 2 ** 31 - 1], [100e9, 0xffff_ffff * 8], [144e9, 8], [400e9, 2 ** 31 - 1], [1e15, 2 ** 31 - 1], [Number.MAX_SAFE_INTEGER, 0xffff_ffff * 8]]
    for (const [index, [rate, burst]] of limits.entries()) {
      const { pod, result } = await add(`c${index}`, { ingressRate: rate, ingressBurst: burst, egressRate: rate, egressBurst: burst })
      expect([rate, (await node.call('CHECK', { containerId: `c${index}`, netns: pod.path, config: { prevResult: result } })).stdout]).toEqual([rate, ''])
    }
    // What is as it should be is not written again.
    const { writes } = node.cni
    await node.stop()
    await node.start()
    expect([writes > 0, node.cni.writes]).toEqual([true, 0])
    for (const [index] of limits.entries()) expect((await node.call('DEL', { containerId: `c${index}` })).exitCode).toBe(0)
    expect(table()).not.toContain('limit rate')
  })

  it('CNI-46 a pod that takes its own bucket away gains nothing', async () => {
    node = await createNode(program)
    await node.start()
    const { pod: limited } = await add('limited', limit)
    const { pod: free } = await add('free')
    using _free = await sink(free, 7000)
    // What passed the bucket passes the rule.
    expect(pour(limited, '10.244.1.3', 7000, megabytes)).toBeGreaterThan(leastMs)
    expect(table()).toMatch(/limit rate over .* counter packets 0 bytes 0 drop/)
    limited.exec('tc', ['qdisc', 'del', 'dev', 'eth0', 'root'])
    expect(pour(limited, '10.244.1.3', 7000, megabytes)).toBeGreaterThan(leastMs)
    expect(table().split('limit rate')).toHaveLength(2)
  }, 60_000)
})

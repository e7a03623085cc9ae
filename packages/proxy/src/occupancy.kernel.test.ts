import { createRegistry, realClock } from '@weft/daemon'
import { silentLogger, skippable } from '@weft/daemon/testing'
import { readSysctls } from '@weft/netlink'
import { whyNoKernelTests } from '@weft/netlink/testing'
import { describe, expect, test } from 'vitest'
import { node, nodeName, service, slice } from '../test/cluster.ts'
import { fillConntrack } from '../test/fill-conntrack.ts'
import { Lab } from '../test/lab.ts'
import { running } from '../test/running.ts'
import { followOccupancy } from './occupancy.ts'

const reason = whyNoKernelTests()
const max = 'net.netfilter.nf_conntrack_max'
/** As many connections are made: they take 300 bytes of the kernel's memory each. */
const most = 600_000

const objects = [
  node('here'),
  service('shop/web', ['10.96.0.1']), slice('shop/web', [{ ip: '10.244.0.5', node: 'here' }]),
  service('kube-system/kube-dns', ['10.96.0.10'], { ports: [{ name: 'dns', port: 53, protocol: 'UDP' }] }),
  slice('kube-system/kube-dns', [{ ip: '172.30.1.11', node: 'here' }], { ports: [{ name: 'dns', port: 10_053, protocol: 'UDP' }] }),
]

describe.skipIf(reason !== undefined)(skippable('conntrack', reason), () => {
  test('fault 25: full of connections that live, it stops new ones, but not DNS, and the node is told', async (context) => {
    await using lab = await Lab.create()
    const limit = Number((await readSysctls(lab.node.path, [max]))[max])
    if (limit > most) context.skip(`nf_conntrack_max is ${limit}`)
    await lab.serve('b1', 'b1', ['tcp|10.244.0.5|8080'])
    await lab.serve('node', 'dns', ['udp|172.30.1.11|10053'])
    await using _run = await running(objects, { nft: lab.nft, flows: lab.flows })
    const [web, dns] = [{ protocol: 'tcp', host: '10.96.0.1', port: 80 }, { protocol: 'udp', host: '10.96.0.10', port: 53, count: 20 }] as const
    expect(lab.ask('client', web)).toEqual(['b1 10.244.0.9'])
    await fillConntrack(lab.node.path, limit + 1000)
    expect(lab.flows.count()).toBeGreaterThanOrEqual(limit)
    expect(lab.ask('client', web)).toEqual(['ETIMEDOUT'])
    expect(new Set(lab.ask('client', dns))).toEqual(new Set(['dns 10.244.0.9']))
    expect(new Set(lab.ask('node', dns))).toEqual(new Set(['dns 172.30.1.11']))
    const [events, registry, stopping] = [[] as string[], createRegistry(), new AbortController()]
    const sysctls = { read: async (names: readonly string[]) => await readSysctls(lab.node.path, names) }
    const following = followOccupancy({ nft: lab.nft, sysctls, nodeName, registry, clock: realClock, logger: silentLogger, recorder: { record: (_target, _type, { reason: why, message }) => void events.push(`${why} ${message}`) } }, stopping.signal)
    await expect.poll(() => events, { timeout: 5000 }).toEqual([expect.stringMatching(/^NearlyFull Table "conntrack" has \d+ of at most \d+ entries: when it is full new connections are dropped/)])
    // An entry may have expired since.
    expect(Number(/\{table="conntrack"\} (.+)/.exec(await registry.getSingleMetricAsString('weft_proxy_occupancy_ratio'))?.[1])).toBeCloseTo(1, 3)
    stopping.abort()
    await following
    lab.flows.flush()
    expect(lab.ask('client', web)).toEqual(['b1 10.244.0.9'])
  }, 120_000)
})

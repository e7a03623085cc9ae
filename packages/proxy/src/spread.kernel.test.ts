import { once } from 'node:events'
import { skippable } from '@weft/daemon/testing'
import { formatIp, parseIp } from '@weft/ip'
import { whyNoKernelTests } from '@weft/netlink/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { node, service, slice } from '../test/cluster.ts'
import { Lab } from '../test/lab.ts'
import { running, type Running } from '../test/running.ts'

const reason = whyNoKernelTests()
const connections = 10_000
const counts = [2, 3, 7, 64, 250] as const
const ports = [{ port: 53, protocol: 'UDP' }]
const endpoints = (family: 4 | 6, count: number): readonly string[] => Array.from({ length: count }, (_, index) => (family === 4 ? `10.244.1.${index + 1}` : `fd00:10:244:1::${(index + 1).toString(16)}`))

/** What chi-square stays below in all but one of a million runs (Wilson and Hilferty's approximation). */
function bound(degrees: number): number {
  const normal = 4.75
  return degrees * (1 - 2 / (9 * degrees) + normal * Math.sqrt(2 / (9 * degrees))) ** 3
}

function chiSquare(seen: readonly number[], expected: readonly number[]): number {
  return seen.reduce((sum, count, index) => sum + (count - expected[index]!) ** 2 / expected[index]!, 0)
}

describe.skipIf(reason !== undefined)(skippable(`the spread of ${connections} connections`, reason), () => {
  let lab: Lab
  let run: Running

  beforeAll(async () => {
    lab = await Lab.create()
    const objects = counts.flatMap((count, index) => [
      service(`shop/s${count}`, [`10.96.0.${index + 1}`, `fd00:10:96::${index + 1}`], { ports }),
      slice(`shop/s${count}`, endpoints(4, count), { ports }), slice(`shop/s${count}`, endpoints(6, count), { ports, suffix: '6' }),
    ])
    const weighted = [service('shop/weighted', ['10.96.0.9'], { ports, annotations: { 'weft.dev/weights': '10.244.1.1=5 10.244.1.2=3 10.244.1.3=2' } }), slice('shop/weighted', endpoints(4, 3), { ports })]
    run = await running([node('here'), ...objects, ...weighted], { nft: lab.nft, flows: lab.flows })
  })

  afterAll(async () => {
    await run[Symbol.asyncDispose]()
    await lab[Symbol.asyncDispose]()
  })

  /** How many connections each endpoint got. */
  async function spread(host: string, family: 4 | 6, count: number): Promise<readonly number[]> {
    const child = lab.spawn('client', 'flood.ts', [host, '53', '20000', String(connections)])
    await once(child, 'exit')
    const flows = lab.flows.entries({ family, protocol: 17, origDst: parseIp(host) })
    expect(flows.length).toBe(connections)
    const seen = Map.groupBy(flows, ({ reply }) => formatIp(reply.source))
    lab.flows.flush()
    return endpoints(family, count).map((ip) => seen.get(formatIp(parseIp(ip)))?.length ?? 0)
  }

  for (const [index, count] of counts.entries()) {
    test.each([[4, `10.96.0.${index + 1}`], [6, `fd00:10:96::${index + 1}`]] as const)(`SVC-19 over ${count} endpoints is even, IPv%s`, async (family, host) => {
      const seen = await spread(host, family, count)
      expect(seen.reduce((sum, one) => sum + one, 0)).toBe(connections)
      expect(chiSquare(seen, seen.map(() => connections / count))).toBeLessThan(bound(count - 1))
    }, 60_000)
  }

  test('weights are followed', async () => {
    const seen = await spread('10.96.0.9', 4, 3)
    expect(chiSquare(seen, [5, 3, 2].map((weight) => connections * weight / 10))).toBeLessThan(bound(2))
  }, 60_000)
})

import { loopbackStandIns } from '@weft/api'
import { skippable } from '@weft/daemon/testing'
import { formatIp, loopbackIfIndex } from '@weft/ip'
import { whyNoKernelTests } from '@weft/netlink/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type EndpointShape, node, service, slice } from '../test/cluster.ts'
import { Lab } from '../test/lab.ts'
import { running, type Running } from '../test/running.ts'

const reason = whyNoKernelTests()

const b1: EndpointShape = { ip: '10.244.0.5', node: 'here' }
const b2: EndpointShape = { ip: '10.244.1.7', node: 'there' }
const targets = [{ name: 't', port: 8080 }, { name: 'u', port: 5353, protocol: 'UDP' }]
const both = (first: number): readonly object[] => [{ name: 't', port: 80, nodePort: first }, { name: 'u', port: 53, protocol: 'UDP', nodePort: first }]
const six = ({ ip, ...rest }: EndpointShape): EndpointShape => ({ ...rest, ip: ip === b1.ip ? 'fd00:10:244::5' : 'fd00:10:244:1::7' })
const slices = (key: string, ...all: readonly EndpointShape[]): readonly object[] => [slice(key, all, { ports: targets }), slice(key, all.map(six), { ports: targets, suffix: '6' })]
const nodePorts = (key: string, last: number, first: number, rest: object = {}): object => service(key, [`10.96.0.${last}`, `fd00:10:96::${last}`], { type: 'NodePort', ports: both(first) as { readonly port: number }[], ...rest })

const cluster: readonly object[] = [
  node('here'), node('there', { ips: ['172.30.1.12'], podCidrs: ['10.244.1.0/24', 'fd00:10:244:1::/64'] }),
  nodePorts('shop/web', 1, 30_080), ...slices('shop/web', b1, b2),
  nodePorts('shop/local', 2, 30_081, { externalTrafficPolicy: 'Local' }), ...slices('shop/local', b2),
  nodePorts('shop/empty', 3, 30_082),
  nodePorts('shop/sticky', 4, 30_083, { sessionAffinity: 'ClientIP' }), ...slices('shop/sticky', b1, b2),
]

describe.skipIf(reason !== undefined)(skippable('NodePorts on loopback addresses', reason), () => {
  let lab: Lab
  let run: Running

  beforeAll(async () => {
    lab = await Lab.create()
    const at = (...addresses: readonly string[]): readonly string[] => addresses.flatMap((address) => [`tcp|${address}|8080`, `udp|${address}|5353`])
    await Promise.all([lab.serve('b1', 'b1', at('10.244.0.5', 'fd00:10:244::5')), lab.serve('b2', 'b2', at('10.244.1.7', 'fd00:10:244:1::7'))])
    run = await running(cluster, { nft: lab.nft, flows: lab.flows, config: { nodePortLoopback: true }, deps: { addresses: lab.node.route } })
  })

  afterAll(async () => {
    await run[Symbol.asyncDispose]()
    await lab[Symbol.asyncDispose]()
  })

  const hosts = [['127.0.0.1', '172.30.1.11'], ['::1', 'fd00:172:30:1::11']] as const

  for (const protocol of ['tcp', 'udp'] as const) {
    for (const [host, own] of hosts) {
      test(`SVC-71 ${protocol} to ${host} is spread over all backends, which see the node`, () => {
        expect(new Set(lab.ask('node', { protocol, host, port: 30_080, count: 16 }))).toEqual(new Set([`b1 ${own}`, `b2 ${own}`]))
      })

      test(`SVC-71, SVC-38 ${protocol} to ${host} reaches backends elsewhere under externalTrafficPolicy Local`, () => {
        expect(lab.ask('node', { protocol, host, port: 30_081 })).toEqual([`b2 ${own}`])
      })

      test(`SVC-31 ${protocol} to ${host} is refused at once when nobody serves`, () => {
        expect(lab.ask('node', { protocol, host, port: 30_082 })).toEqual(['ECONNREFUSED'])
      })

      test(`SVC-71, SVC-74 ${protocol} to ${host} keeps its backend with session affinity`, () => {
        expect(new Set(lab.ask('node', { protocol, host, port: 30_083, count: 12 }))).toHaveLength(1)
      })
    }
  }

  test('a flow goes on for more than its first packet', () => {
    expect(lab.ask('node', { protocol: 'udp', host: '127.0.0.1', port: 30_080, count: 4, sourcePort: 12_345 })).toHaveLength(4)
  })

  test('what listens on loopback itself is reached as ever', async () => {
    await lab.serve('node', 'own', ['tcp|127.0.0.1|9000', 'udp|127.0.0.1|9000'])
    for (const protocol of ['tcp', 'udp'] as const) expect(lab.ask('node', { protocol, host: '127.0.0.1', port: 9000 })).toEqual(['own 127.0.0.1'])
  })

  test('route_localnet stays off, and the stand-ins are on lo', () => {
    expect(lab.node.exec('sh', ['-c', 'cat /proc/sys/net/ipv4/conf/*/route_localnet']).trim().split('\n')).not.toContain('1')
    const held = lab.node.route.addresses({ ifIndex: loopbackIfIndex }).map(({ address }) => formatIp(address))
    expect(held).toEqual(expect.arrayContaining(Object.values(loopbackStandIns)))
  })

  test('without nodePortLoopback nothing of it is in the table', async () => {
    await using off = await running(cluster)
    expect(off.proxy.dump()).not.toMatch(/chain loopback|127\.0\.0\.1|169\.254/)
    expect(run.proxy.dump()).toMatch(/chain loopback-output/)
  })
})

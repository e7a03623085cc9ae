import { skippable } from '@weft/daemon/testing'
import { loopbackIfIndex, parseCidr } from '@weft/ip'
import { whyNoKernelTests, TestNamespace } from '@weft/netlink/testing'
import { describe, expect, test } from 'vitest'
import {
  baseChain, bitAnd, chain, concat, countIn, diffTable, dnat, eq, goTo, ip, ip6, lookup, map, meta, namedCounter, NftSocket, notrack, numgen, oneOf, rule, set, setMark, type Table, table, th, typeOf,
  udp, updateIn, vmap, assign,
} from './index.ts'
import { FakeNft } from './testing/index.ts'

const reason = whyNoKernelTests()
const ports = [5001, 5002, 5003]

/** One Service of three endpoints on the loopback, in flat maps, and a counter for each endpoint. */
function services(): Table {
  const service = map('service', { key: ['ipv4_addr', 'inet_proto', 'inet_service'], data: ['mark'], elements: [{ key: ['10.96.0.1', 'udp', 53], data: 3 }] })
  const service6 = map('service6', { key: ['ipv6_addr', 'inet_proto', 'inet_service'], data: ['mark'], elements: [{ key: ['fd00:10:96::1', 'udp', 53], data: 3 }] })
  const endpoint = map('endpoint', {
    key: typeOf(ip.daddr, meta.l4proto, th.dport, numgen('random', 1)), data: ['ipv4_addr', 'inet_service'],
    elements: ports.map((port, index) => ({ key: ['10.96.0.1', 'udp', 53, index], data: ['127.0.0.1', port] })),
  })
  const endpoint6 = map('endpoint6', {
    key: typeOf(ip6.daddr, meta.l4proto, th.dport, numgen('random', 1)), data: ['ipv6_addr', 'inet_service'],
    elements: ports.map((port, index) => ({ key: ['fd00:10:96::1', 'udp', 53, index], data: ['::1', port] })),
  })
  const balance = map('balance', { key: ['mark'], data: 'verdict', elements: [{ key: 3, data: goTo('lb3') }] })
  const seen = set('seen', { key: ['ipv4_addr', 'inet_service'], flags: ['dynamic'], timeoutMs: 60_000 })
  const tcpOrUdp = oneOf(meta.l4proto, ['tcp', 'udp'])
  return table({
    name: 'services', sets: [seen], maps: [service, service6, endpoint, endpoint6, balance],
    counters: [...ports.flatMap((port) => [namedCounter(`v4-${port}`), namedCounter(`v6-${port}`)]), namedCounter('rewritten')],
    chains: [
      chain('lb3', [
        rule(tcpOrUdp, dnat({ family: 'ip', to: lookup(concat(ip.daddr, meta.l4proto, th.dport, numgen('random', 3)), endpoint) })),
        rule(tcpOrUdp, dnat({ family: 'ip6', to: lookup(concat(ip6.daddr, meta.l4proto, th.dport, numgen('random', 3)), endpoint6) })),
      ]),
      baseChain('raw', { type: 'route', hook: 'output', priority: -300 }, [
        rule(eq(ip.daddr, '10.96.0.10'), eq(udp.dport, 53), notrack, assign(ip.daddr, '127.0.0.1'), assign(udp.dport, 10_053)),
      ]),
      baseChain('output', { type: 'nat', hook: 'output', priority: -100 }, [
        rule(setMark(lookup(concat(ip.daddr, meta.l4proto, th.dport), service))),
        rule(setMark(lookup(concat(ip6.daddr, meta.l4proto, th.dport), service6))),
        rule(vmap(bitAnd(meta.mark, 0xff), balance)),
      ]),
      baseChain('input', { type: 'filter', hook: 'input', priority: 0 }, [
        ...ports.flatMap((port) => [
          rule(eq(ip.daddr, '127.0.0.1'), eq(udp.dport, port), countIn(`v4-${port}`), updateIn(seen, concat(ip.daddr, th.dport))),
          rule(eq(ip6.daddr, '::1'), eq(udp.dport, port), countIn(`v6-${port}`)),
        ]),
        rule(eq(ip.daddr, '127.0.0.1'), eq(udp.dport, 10_053), countIn('rewritten')),
      ]),
    ],
  })
}

/** Sends datagrams to port 53 of addresses; address and count in turn. */
const sender = `
import { createSocket } from 'node:dgram'
const words = process.argv.slice(1)
while (words.length > 0) {
  const [to, count] = words.splice(0, 2)
  for (let n = 0; n < Number(count); n++) await new Promise((resolve) => {
    const socket = createSocket(to.includes(':') ? 'udp6' : 'udp4')
    socket.send('x', 53, to, () => socket.close(resolve))
  })
}`

describe.skipIf(reason !== undefined)(skippable('packets', reason), () => {
  test('packets to a Service reach every endpoint by the maps, in both families', async () => {
    await using ns = await TestNamespace.create()
    using nft = await NftSocket.open({ netns: ns.path })
    nft.commit(diffTable(undefined, services()))
    for (const destination of ['10.96.0.0/16', 'fd00:10:96::/112']) ns.route.addRoute({ destination: parseCidr(destination), ifIndex: loopbackIfIndex })
    // Each packet has a source port of its own, so each is a connection.
    ns.exec(process.execPath, ['--input-type=module', '-e', sender, '10.96.0.1', '90', 'fd00:10:96::1', '90', '10.96.0.10', '5'])
    const { counters, sets } = nft.read('inet', 'services')!.table
    const packets = new Map(counters.map((counter) => [counter.name, Number(counter.packets)]))
    for (const family of ['v4', 'v6']) {
      const counts = ports.map((port) => packets.get(`${family}-${port}`) ?? 0)
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(90)
      expect(Math.min(...counts)).toBeGreaterThan(8)
    }
    expect(packets.get('rewritten')).toBe(5)
    expect(sets[0]!.elements).toHaveLength(3)
  })

  test('FakeNft.trace() agrees with the kernel about the same table', () => {
    const nft = new FakeNft()
    nft.commit(diffTable(undefined, services()))
    const ends = [0, 1, 2].map((choice) => nft.trace({ saddr: '10.0.0.1', daddr: '10.96.0.1', protocol: 'udp', dport: 53 }, { random: () => choice }).dnat?.port)
    expect(ends).toEqual(ports)
    expect(nft.trace({ saddr: '10.0.0.1', daddr: '10.96.0.10', protocol: 'udp', dport: 53 })).toMatchObject({ tracked: false, packet: { dport: 10_053 } })
  })
})

import { describe, expect, test } from 'vitest'
import { sampleTables } from '../../test/sample-tables.ts'
import {
  accept, addTo, assign, baseChain, bitAnd, chain, concat, ct, diffTable, dnat, drop, eq, fib, formatTable, goTo, hasAny, ip, isNftAlreadyExists, isNftBusy, isNftNotFound, isIn, jump, lookup,
  map, masquerade, meta, namedCounter, NftError, notIn, notrack, numgen, oneOf, reject, returnToCaller, rule, set, setMark, snat, type Table, table, tcp, th, Transaction, typeOf, udp, vmap,
  countIn,
} from '../index.ts'
import { FakeNft } from './index.ts'

const demo = { family: 'inet', name: 'demo' } as const

function loaded(...tables: readonly Table[]): FakeNft {
  const nft = new FakeNft()
  for (const each of tables) nft.commit(diffTable(undefined, each))
  return nft
}

function failure(run: () => void): unknown {
  try {
    run()
  } catch (error) {
    return error
  }
  return undefined
}

describe('FakeNft', () => {
  for (const sample of sampleTables) {
    test('check() changes nothing; expressions that it lacks are refused as by a kernel without them', () => {
    const nft = new FakeNft({ lacks: ['numgen'] })
    const wanted = table({ name: 'demo', chains: [chain('a', [rule(drop)]), chain('b', [rule(assign(meta.priority, numgen('random', 2)))])] })
    expect(() => nft.check(new Transaction(wanted).addAll(wanted))).toThrow('operation 4 "add rule inet demo b meta priority set numgen random mod 2" was refused (ENOENT)')
    nft.check(new Transaction(wanted).addTable())
    expect([nft.text, nft.commits, nft.log]).toEqual(['', 0, []])
  })

  test(`commit() keeps what read() and diffTable() find equal: ${sample.name}`, () => {
      const nft = loaded(sample)
      expect(nft.table(sample.family, sample.name)).toEqual(sample)
      expect(diffTable(nft.read(sample.family, sample.name), sample).text).toBe('')
      expect(nft.text).toBe(formatTable(sample))
    })
  }

  test('commit() is all or nothing and speaks as the kernel does', () => {
    const nft = new FakeNft()
    const error = failure(() => nft.commit(new Transaction(demo).addTable().addChain(chain('a')).addRule('nowhere', rule(eq(ip.daddr, '10.0.0.1'), accept)).addRule('a', rule(jump('missing')))))
    expect(error).toBeInstanceOf(NftError)
    expect(String(error)).toBe('NftError: Cannot commit to table "inet demo": operation 2 "add rule inet demo nowhere ip daddr 10.0.0.1 accept" and 1 more was refused (ENOENT)')
    expect(nft.table('inet', 'demo')).toBeUndefined()
    expect([nft.commits, nft.writes]).toEqual([0, 0])
  })

  test('commit() tells absence, presence and use apart', () => {
    const ports = map('ports', { key: ['inet_service'], data: ['mark'], elements: [{ key: 80, data: 1 }] })
    const nft = loaded(table({ name: 'demo', maps: [ports], counters: [namedCounter('hits')], chains: [chain('a', [rule(countIn('hits'), jump('b'))]), chain('b')] }))
    expect(isNftAlreadyExists(failure(() => nft.commit(new Transaction(demo).addElements(ports, [{ key: 80, data: 2 }]))))).toBe(true)
    expect(isNftNotFound(failure(() => nft.commit(new Transaction(demo).deleteElements(ports, [{ key: 81 }]))))).toBe(true)
    expect(isNftBusy(failure(() => nft.commit(new Transaction(demo).deleteChain('b'))))).toBe(true)
    expect(isNftBusy(failure(() => nft.commit(new Transaction(demo).deleteCounter('hits'))))).toBe(true)
    expect(isNftNotFound(failure(() => nft.commit(new Transaction({ family: 'inet', name: 'other' }).flushChain('a'))))).toBe(true)
    nft.commit(new Transaction(demo).destroyChain('none').destroyElements(ports, [{ key: 99 }]))
    expect(failure(() => nft.commit(new Transaction(demo).addElements(ports, [{ key: 'http', data: 1 }])))).toMatchObject({ code: 'ERR_NFT_VALUE_INVALID' })
  })

  test('watch() tells of foreign commits only', async () => {
    const nft = loaded(table({ name: 'demo', chains: [chain('a')] }))
    const stop = new AbortController()
    const events = await nft.watch(demo, { signal: stop.signal })
    nft.commit(new Transaction(demo).flushChain('a'))
    nft.commitForeign(new Transaction(demo).deleteTable())
    for await (const event of events) {
      expect(event).toMatchObject({ verb: 'delete', object: 'table' })
      stop.abort()
    }
    expect(nft.commits).toBe(2)
  })
})

describe('FakeNft.trace()', () => {
  const service = map('service', { key: ['ipv4_addr', 'inet_proto', 'inet_service'], data: ['mark'], elements: [{ key: ['10.96.0.1', 'tcp', 443], data: 2 }, { key: ['10.96.0.2', 'tcp', 80], data: 0 }] })
  const endpoint = map('endpoint', {
    key: typeOf(ip.daddr, meta.l4proto, th.dport, numgen('random', 1)), data: ['ipv4_addr', 'inet_service'],
    elements: [{ key: ['10.96.0.1', 'tcp', 443, 0], data: ['10.244.0.5', 8443] }, { key: ['10.96.0.1', 'tcp', 443, 1], data: ['10.244.1.7', 8443] }],
  })
  const balance = map('balance', { key: ['mark'], data: 'verdict', elements: [{ key: 2, data: goTo('lb2') }, { key: 0, data: drop }] })
  const proxy = table({
    name: 'proxy', maps: [service, endpoint, balance],
    chains: [
      chain('lb2', [rule(oneOf(meta.l4proto, ['tcp', 'udp']), dnat({ family: 'ip', to: lookup(concat(ip.daddr, meta.l4proto, th.dport, numgen('random', 2)), endpoint) }))]),
      baseChain('raw', { type: 'filter', hook: 'prerouting', priority: -300 }, [
        rule(eq(ip.daddr, '10.96.0.10'), eq(udp.dport, 53), notrack, assign(ip.daddr, '169.254.20.10'), assign(udp.dport, 10_053)),
      ]),
      baseChain('pre', { type: 'nat', hook: 'prerouting', priority: -100 }, [
        rule(setMark(lookup(concat(ip.daddr, meta.l4proto, th.dport), service)), vmap(bitAnd(meta.mark, 0xff), balance)),
      ]),
      baseChain('post', { type: 'nat', hook: 'postrouting', priority: 100 }, [
        rule(hasAny(ct.status, 'dnat'), eq(ct.original.ipDaddr, '10.96.0.1'), eq(ip.saddr, '203.0.113.10'), snat({ family: 'ip', to: '172.30.1.11' })),
      ]),
    ],
  })
  const pods = set('pods', { key: ['ipv4_addr'], flags: ['interval'], elements: [{ key: '10.244.0.0/16' }] })
  const seen = set('seen', { key: ['ipv4_addr'], flags: ['dynamic'] })
  const policy = table({
    name: 'policy', sets: [pods, seen], counters: [namedCounter('refused')],
    chains: [
      chain('pod', [rule(isIn(ip.saddr, pods), returnToCaller), rule(eq(tcp.dport, 8443), addTo(seen, ip.saddr), accept), rule(countIn('refused'), reject())]),
      baseChain('antispoof', { type: 'filter', hook: 'prerouting', priority: -300 }, [rule(eq(meta.iifname, 'weft*'), eq(fib(['saddr', 'iif'], 'oif'), 'missing'), drop)]),
      baseChain('forward', { type: 'filter', hook: 'forward', priority: 0, policy: 'drop' }, [
        rule(hasAny(ct.state, 'established', 'related'), accept),
        rule(eq(ip.daddr, '10.244.0.5'), jump('pod')),
        rule(isIn(ip.saddr, pods), accept),
      ]),
      baseChain('out', { type: 'nat', hook: 'postrouting', priority: 110 }, [rule(isIn(ip.saddr, pods), notIn(ip.daddr, pods), masquerade())]),
    ],
  })
  const nft = loaded(proxy, policy)
  const options = { local: ['172.30.1.11', '169.254.20.10'] }
  const outside = { saddr: '203.0.113.10', daddr: '10.96.0.1', sport: 40_000, dport: 443, iif: 'eth0' }

  test('a service packet gets an endpoint by the maps, passes policy and is source-translated', () => {
    const trace = nft.trace(outside, options)
    expect(trace).toMatchObject({ verdict: 'accept', path: 'forward', dnat: { address: { bits: 0x0af40005n }, port: 8443 }, snat: { address: { bits: 0xac1e010bn } } })
    expect(trace.steps.map(({ chain: name }) => name)).toEqual(['pre', 'lb2', 'forward', 'pod', 'post'])
    expect(nft.table('inet', 'policy')!.sets[1]!.elements).toHaveLength(1)
    expect(nft.trace(outside, { ...options, random: () => 1 })).toMatchObject({ verdict: 'drop', by: { chain: 'forward', rule: 'policy drop' }, dnat: { address: { bits: 0x0af40107n } } })
  })

  test('later packets and replies of a connection follow it without asking the rules', () => {
    const { connection } = nft.trace(outside, options)
    const next = nft.trace(outside, { ...options, connection: connection!, random: () => 1 })
    expect(next).toMatchObject({ verdict: 'accept', packet: { daddr: { bits: 0x0af40005n }, saddr: { bits: 0xac1e010bn } } })
    const reply = nft.trace({ saddr: '10.244.0.5', daddr: '172.30.1.11', sport: 8443, dport: 40_000, iif: 'weft1' }, { ...options, connection: connection! })
    expect(reply).toMatchObject({ verdict: 'accept', path: 'forward', packet: { saddr: { bits: 0x0a600001n }, sport: 443, daddr: { bits: 0xcb00710an } } })
  })

  test('refusals name the rule', () => {
    expect(nft.trace({ saddr: '203.0.113.10', daddr: '10.244.0.5', dport: 22, iif: 'eth0' })).toMatchObject({ verdict: 'reject', by: { chain: 'pod', rule: 'counter name "refused" reject' } })
    expect(nft.table('inet', 'policy')!.counters[0]!.packets).toBe(1n)
    expect(nft.trace({ saddr: '10.244.0.9', daddr: '10.96.0.2', dport: 80, iif: 'weft1' })).toMatchObject({ verdict: 'drop', by: { table: 'proxy' } })
    expect(nft.trace({ saddr: '1.2.3.4', daddr: '10.244.0.5', dport: 80, iif: 'weft1' }, { hasRoute: () => false })).toMatchObject({ verdict: 'drop', by: { chain: 'antispoof' } })
  })

  test('notrack keeps a packet from NAT; what leaves the pods is masqueraded', () => {
    const dns = nft.trace({ saddr: '10.244.0.9', daddr: '10.96.0.10', protocol: 'udp', dport: 53, iif: 'weft1' }, options)
    expect(dns).toMatchObject({ verdict: 'accept', path: 'input', tracked: false, packet: { daddr: { bits: 0xa9fe140an }, dport: 10_053 }, connection: undefined })
    expect(nft.trace({ saddr: '10.244.0.9', daddr: '8.8.8.8', dport: 80, iif: 'weft1' }, options)).toMatchObject({ verdict: 'accept', snat: { address: 'masquerade' } })
    expect(nft.trace({ saddr: '10.244.0.9', daddr: '10.244.1.1', dport: 80, iif: 'weft1' }, options)).toMatchObject({ verdict: 'accept', snat: undefined })
  })
})

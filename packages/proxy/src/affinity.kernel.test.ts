import { toEndpointSlice, tables, toService } from '@weft/api'
import { realClock } from '@weft/daemon'
import { skippable } from '@weft/daemon/testing'
import { atOnce } from '@weft/netlink'
import { whyNoKernelTests } from '@weft/netlink/testing'
import { baseChain, countIn, diffTable, eq, meta, namedCounter, ne, rule, setMark, table, Transaction } from '@weft/nftables'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type EndpointShape, node, service, slice } from '../test/cluster.ts'
import { Lab } from '../test/lab.ts'
import { running, type Running } from '../test/running.ts'

const reason = whyNoKernelTests()

const b1: EndpointShape = { ip: '10.244.0.5', node: 'here' }
const b2: EndpointShape = { ip: '10.244.1.7', node: 'there' }
const targets = [{ name: 't', port: 8080 }, { name: 'u', port: 5353, protocol: 'UDP' }]
const ports = [{ name: 't', port: 80, nodePort: 30_080 }, { name: 'u', port: 53, protocol: 'UDP', nodePort: 30_081 }]

const sticky = (rest: object = {}): object => service('shop/cart', ['10.96.0.1', 'fd00:10:96::1'], { type: 'LoadBalancer', ports, balancers: ['203.0.113.20'], sessionAffinity: 'ClientIP', ...rest })
const endpoints = (...all: readonly EndpointShape[]): readonly object[] => [
  slice('shop/cart', all, { ports: targets }), slice('shop/cart', all.map(({ ip, ...rest }) => ({ ...rest, ip: ip === b1.ip ? 'fd00:10:244::5' : 'fd00:10:244:1::7' })), { ports: targets, suffix: '6' }),
]
const nodes = [node('here'), node('there', { ips: ['172.30.1.12'], podCidrs: ['10.244.1.0/24', 'fd00:10:244:1::/64'] })]

describe.skipIf(reason !== undefined)(skippable('session affinity', reason), () => {
  let lab: Lab
  let run: Running

  beforeAll(async () => {
    lab = await Lab.create()
    const at = (...addresses: readonly string[]): readonly string[] => addresses.flatMap((address) => [`tcp|${address}|8080`, `udp|${address}|5353`])
    await Promise.all([lab.serve('b1', 'b1', at('10.244.0.5', 'fd00:10:244::5')), lab.serve('b2', 'b2', at('10.244.1.7', 'fd00:10:244:1::7'))])
    run = await running([...nodes, sticky(), ...endpoints(b1, b2)], { nft: lab.nft, flows: lab.flows })
  })

  afterAll(async () => {
    await run[Symbol.asyncDispose]()
    await lab[Symbol.asyncDispose]()
  })

  async function put(from: object, ...all: readonly EndpointShape[]): Promise<void> {
    run.stores.services.put(toService(from))
    for (const each of endpoints(...all)) run.stores.slices.put(toEndpointSlice(each))
    await run.proxy.settled()
  }

  /** Names of the backends that answer; UDP from a new port each time, for flows keep their backend anyway. */
  function backends(from: 'client' | 'outside' | 'node', host: string, { protocol = 'tcp', port = protocol === 'tcp' ? 80 : 53, count = 12 }: { readonly protocol?: 'tcp' | 'udp', readonly port?: number, readonly count?: number } = {}): readonly string[] {
    return [...new Set(lab.ask(from, { protocol, host, port, count }).map((answer) => answer.slice(0, 2)))]
  }

  function forget(): void {
    const { maps } = lab.nft.read('inet', tables.proxy)!.table
    lab.nft.commit(maps.filter(({ name }) => name.startsWith('affinity') && !name.includes('port')).reduce((tx, map) => tx.flushSet(map), new Transaction({ family: 'inet', name: tables.proxy })))
  }

  test('SVC-73, SVC-74, SVC-77, SVC-79, LB-10 a client keeps its backend: TCP and UDP, both families, through the cluster IP, the NodePort and the load balancer alike', async () => {
    await put(sticky(), b1, b2)
    for (let round = 0; round < 2; round += 1) {
      forget()
      for (const protocol of ['tcp', 'udp'] as const) {
        const first = backends('client', '10.96.0.1', { protocol })
        expect(first).toHaveLength(1)
        for (const [host, port] of [['172.30.1.11', protocol === 'tcp' ? 30_080 : 30_081], ['203.0.113.20', undefined]] as const) expect(backends('client', host, { protocol, count: 2, ...(port === undefined ? {} : { port }) })).toEqual(first)
      }
      expect(backends('client', 'fd00:10:96::1')).toHaveLength(1)
    }
  }, 60_000)

  test('SVC-73 clients are told apart, and the node itself is one', async () => {
    await put(sticky(), b1, b2)
    for (const from of ['client', 'outside', 'node'] as const) expect(backends(from, '10.96.0.1')).toHaveLength(1)
    const affinity = lab.nft.read('inet', tables.proxy)!.table.maps.find(({ name }) => name === 'affinity4')!
    expect(affinity.elements.length).toBeGreaterThanOrEqual(3)
    expect(affinity.elements.every(({ timeoutMs, expiresMs }) => timeoutMs === 10_800_000 && expiresMs! > 10_700_000)).toBe(true)
  })

  test('SVC-78 an endpoint that is gone is left at once, one that comes takes nobody away', async () => {
    await put(sticky(), b1, b2)
    const [first] = backends('client', '10.96.0.1')
    const [kept, gone] = first === 'b1' ? [b2, b1] : [b1, b2]
    await put(sticky(), kept)
    const other = first === 'b1' ? 'b2' : 'b1'
    expect(backends('client', '10.96.0.1')).toEqual([other])
    await put(sticky(), kept, gone)
    expect(backends('client', '10.96.0.1')).toEqual([other])
  })

  test('SVC-75 None and ClientIP take effect both ways', async () => {
    await put(sticky(), b1, b2)
    expect(backends('client', '10.96.0.1')).toHaveLength(1)
    await put(sticky({ sessionAffinity: 'None' }), b1, b2)
    expect(backends('client', '10.96.0.1', { count: 24 })).toHaveLength(2)
    expect(backends('client', '172.30.1.11', { port: 30_080, count: 24 })).toHaveLength(2)
    await put(sticky(), b1, b2)
    expect(backends('client', '10.96.0.1')).toHaveLength(1)
  })

  test('SVC-76 the timeout is the Service\'s, runs from the last connection, and then chance decides again', async () => {
    await put(sticky({ sessionAffinityConfig: { clientIP: { timeoutSeconds: 1 } } }), b1, b2)
    const seen = new Set<string>()
    for (let round = 0; round < 12 && seen.size < 2; round += 1) {
      const [first, ...others] = backends('client', '10.96.0.1', { count: 3 })
      expect(others).toEqual([])
      seen.add(first!)
      await realClock.sleep(1200)
    }
    expect(seen.size).toBe(2)
  }, 60_000)

  test('LB-10, SVC-37 with externalTrafficPolicy Local an outside client leaves the backend elsewhere that it had', async () => {
    await put(sticky(), b2)
    expect(backends('outside', '172.30.1.11', { port: 30_080 })).toEqual(['b2'])
    await put(sticky({ externalTrafficPolicy: 'Local' }), b1, b2)
    expect(new Set(lab.ask('outside', { protocol: 'tcp', host: '172.30.1.11', port: 30_080, count: 8 }))).toEqual(new Set(['b1 172.30.1.99']))
    await put(sticky(), b2)
    expect(backends('outside', '172.30.1.11', { port: 30_080 })).toEqual(['b2'])
  })

  test('what clients were given stays over a restart and a comparison', async () => {
    await put(sticky(), b1, b2)
    const first = backends('client', '10.96.0.1')
    await using again = await running([...nodes, sticky(), ...endpoints(b1, b2)], { nft: lab.nft, flows: lab.flows })
    expect(again.proxy.writes).toBe(0)
    run.proxy.recheck()
    await run.proxy.settled()
    expect(backends('client', '10.96.0.1')).toEqual(first)
  })

  test('a table of clients that is full is told by the kernel, and nobody is lost: new clients are spread anew', async () => {
    await using small = await running([...nodes, sticky(), ...endpoints(b1, b2)], { nft: lab.nft, flows: lab.flows, config: { affinityClients: 1024 } })
    const map = lab.nft.read('inet', tables.proxy)!.table.maps.find(({ name }) => name === 'affinity4')!
    const others = Array.from({ length: 1024 }, (_, index) => ({ key: [0x1000, `192.0.${index >> 8}.${index & 255}`] as const, data: [0x1001], timeoutMs: 600_000 }))
    lab.nft.commit(new Transaction({ family: 'inet', name: tables.proxy }).addElements(map, others))
    expect(await lab.nft.occupancy('inet', tables.proxy, async (work) => await Promise.resolve(atOnce(work)))).toContainEqual({ name: 'affinity4', count: 1024, size: 1024 })
    expect(new Set(backends('client', '10.96.0.1', { count: 16 }))).toEqual(new Set(['b1', 'b2']))
    lab.nft.commit(new Transaction({ family: 'inet', name: tables.proxy }).deleteElements(map, others.slice(0, 8)))
    expect(new Set(backends('client', '10.96.0.1', { count: 16 })).size).toBe(1)
    expect(small.lines.filter(({ message }) => message === 'reconcile failed')).toEqual([])
    run.proxy.recheck()
    await run.proxy.settled()
  })

  test('foreign marks survive the choice, and its number is gone from the priority after DNAT', async () => {
    await put(sticky(), b1, b2)
    const mark = 0x1234_5678
    const foreign = table({
      name: 'foreign', counters: ['kept', 'lost', 'left'].map((name) => namedCounter(name)),
      chains: [
        baseChain('early', { type: 'filter', hook: 'prerouting', priority: -150 }, [rule(eq(meta.iifname, 'client'), setMark(mark))]),
        baseChain('after', { type: 'filter', hook: 'prerouting', priority: -89 }, [rule(eq(meta.iifname, 'client'), ne(meta.priority, 0), countIn('left'))]),
        baseChain('late', { type: 'filter', hook: 'forward', priority: 10 }, [rule(eq(meta.iifname, 'client'), eq(meta.mark, mark), countIn('kept')), rule(eq(meta.iifname, 'client'), ne(meta.mark, mark), countIn('lost'))]),
      ],
    })
    lab.nft.commit(diffTable(undefined, foreign))
    try {
      forget()
      for (let round = 0; round < 2; round += 1) expect(backends('client', '10.96.0.1', { count: 2 })).toHaveLength(1)
      const counters = new Map(lab.nft.read('inet', 'foreign')!.table.counters.map(({ name, packets }) => [name, Number(packets)]))
      expect(counters.get('kept')).toBeGreaterThan(10)
      expect([counters.get('lost'), counters.get('left')]).toEqual([0, 0])
    } finally {
      lab.nft.commit(new Transaction(foreign).destroyTable())
    }
  })
})

import { toEndpointSlice, toNode, toService, tables } from '@weft/api'
import { createRegistry, realClock } from '@weft/daemon'
import { ManualClock, silentLogger } from '@weft/daemon/testing'
import { formatIp, parseIp } from '@weft/ip'
import { assign, baseChain, chain, diffTable, eq, drop, formatTable, ip, jump, lookup, map, meta, rule, set, type Table, Transaction } from '@weft/nftables'
import { FakeNft } from '@weft/nftables/testing'
import { Store } from '@weft/kube'
import { storeOf } from '@weft/kube/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { node, nodeName, service, slice, storesOf } from '../test/cluster.ts'
import { noFlows, running } from '../test/running.ts'
import { compileProxy } from './compile.ts'
import { proxyConfigSchema } from './config.ts'
import type { FlowFilter, TrackedFlow } from './flow-table.ts'
import { followEdits } from './follow-edits.ts'
import { createProxy } from './proxy.ts'
import { toServiceCidr } from './service-cidr.ts'
import { watchNode } from './watch-node.ts'
import { watchService } from './watch.ts'

const web = service('shop/web', ['10.96.0.1'])
const here = node('here')

/** The kernel's table as text. */
function kernelText(nft: FakeNft): string {
  return inOrder(formatTable(nft.table('inet', tables.proxy)!))
}

/** The kernel lists chains as they were made; which order that was means nothing. */
function inOrder(table: string): string {
  return table.replace(/\n}\n$/, '').split('\n\n').sort().join('\n\n')
}

describe('createProxy()', () => {
  test('SVC-10, SVC-102 writes nothing, and is not healthy, before nodes, Services and slices are all known', async () => {
    const nft = new FakeNft()
    const stores = { nodes: storeOf([toNode(here)]), services: storeOf([toService(web)]), slices: new Store<ReturnType<typeof toEndpointSlice>>() }
    const proxy = createProxy({ ...stores, config: proxyConfigSchema.parse({}), nodeName, nft, flows: noFlows, clock: new ManualClock(), logger: silentLogger, registry: createRegistry() })
    const stop = new AbortController()
    const done = proxy.run(stop.signal)
    await new Promise((resolve) => setImmediate(resolve))
    expect([nft.commits, proxy.ready(), proxy.health().healthy]).toEqual([0, { ready: false, waiting: ['services in the kernel'] }, false])
    stores.slices.replace([])
    await proxy.whenReady()
    expect([nft.commits > 0, proxy.ready().ready, proxy.health().healthy]).toEqual([true, true, true])
    stop.abort()
    await done
  })

  test('a node without an object is an error that names it, and ends by itself', async () => {
    const clock = new ManualClock()
    const stores = storesOf([web])
    const proxy = createProxy({ ...stores, config: proxyConfigSchema.parse({}), nodeName, nft: new FakeNft(), flows: noFlows, clock, logger: silentLogger, registry: createRegistry() })
    const stop = new AbortController()
    const done = proxy.run(stop.signal)
    await clock.advance(1)
    expect(proxy.ready().ready).toBe(false)
    stores.nodes.put(toNode(here))
    await clock.advance(2000)
    expect(proxy.ready().ready).toBe(true)
    stop.abort()
    await done
  })

  test('a second start adopts the kernel and writes nothing', async () => {
    const nft = new FakeNft()
    const objects = [here, web, slice('shop/web', ['10.244.1.5', { ip: '10.244.0.6', node: 'here' }])]
    await (await running(objects, { nft }))[Symbol.asyncDispose]()
    const { commits } = nft
    await using again = await running(objects, { nft })
    expect([nft.commits - commits, again.proxy.writes]).toEqual([0, 0])
  })

  test('SVC-13, SVC-50 a table of an older layout is replaced in one transaction, and a second start writes nothing', async () => {
    const nft = new FakeNft()
    const objects = [here, web, slice('shop/web', ['10.244.1.5'])]
    await (await running(objects, { nft }))[Symbol.asyncDispose]()
    const wanted = nft.table('inet', tables.proxy)!
    // No version, other types, another hook, and names that nobody knows any more.
    const { chains, maps, sets: declared, ...rest } = wanted
    const old: Table = {
      ...rest,
      sets: [...declared.filter(({ name }) => name !== 'layout'), set('dropped', { key: ['ipv4_addr'] })],
      maps: maps.map((each) => (each.name === 'local4' ? map('local4', { key: ['ipv4_addr'], data: ['mark'] }) : each)),
      chains: [
        ...chains.filter(({ name }) => !['from-outside', 'check-others', 'prerouting'].includes(name)),
        baseChain('prerouting', { type: 'nat', hook: 'prerouting', priority: -98 }, [rule(jump('checked'))]),
        chain('gone', [rule(assign(meta.mark, lookup(ip.daddr, map('local4', { key: ['ipv4_addr'], data: ['mark'] }))))]),
      ],
    }
    nft.commit(new Transaction(old).destroyTable().addAll(old))
    const { commits } = nft
    await using second = await running(objects, { nft })
    expect([nft.commits - commits, diffTable(nft.read('inet', tables.proxy), wanted).text]).toEqual([1, ''])
    expect(second.lines).toContainEqual(expect.objectContaining({ message: 'table has another layout', fields: expect.objectContaining({ found: undefined, wanted: 5 }) }))
    await using third = await running(objects, { nft })
    expect(third.proxy.writes).toBe(0)
  })

  test('fault 28 the first table comes in pieces, what acts last; changes meanwhile come after', async () => {
    const nft = new FakeNft()
    const stores = storesOf([here, ...Array.from({ length: 3000 }, (_, index) => [service(`many/s${index}`, [`10.96.${index >> 8}.${index & 255}`]), slice(`many/s${index}`, ['10.244.1.5', '10.244.1.6'])]).flat()])
    const chains: number[] = []
    const watched = { read: nft.read.bind(nft), readInTurns: nft.readInTurns.bind(nft), watch: nft.watch.bind(nft), check: nft.check.bind(nft), commit: (transaction: Transaction) => {
      nft.commit(transaction)
      chains.push(nft.table('inet', tables.proxy)!.chains.length)
      if (chains.length === 2) stores.slices.put(toEndpointSlice(slice('many/s7', ['10.244.1.9'])))
    } }
    await using run = await running(stores, { nft: watched })
    await run.proxy.settled()
    expect(chains.length).toBeGreaterThan(4)
    expect(chains.slice(0, -2).every((count) => count === 0)).toBe(true)
    expect(run.proxy.dump()).toContain('10.96.0.7 . tcp . 80 . 0 : 10.244.1.9 . 8080')
    await using again = await running(stores, { nft })
    expect(again.proxy.writes).toBe(0)
  })

  test('fault 28, V23 a comparison of a large table lets others have their turn while it reads, makes and compares', async () => {
    const nft = new FakeNft()
    const objects = [here, ...Array.from({ length: 3000 }, (_, index) => [service(`many/s${index}`, [`10.96.${index >> 8}.${index & 255}`]), slice(`many/s${index}`, ['10.244.1.5', '10.244.1.6'])]).flat()]
    await using _first = await running(objects, { nft })
    // Every look at this clock is a turn later: whatever may be interrupted is.
    let now = 0
    const clock = { ...realClock, now: () => { now += 25; return now } }
    const during = { reading: 0, comparing: 0 }
    let phase: keyof typeof during | undefined
    const watched = { commit: nft.commit.bind(nft), watch: nft.watch.bind(nft), check: nft.check.bind(nft), read: () => { throw new Error('read at once') }, readInTurns: async (family: 'inet', name: string, run: <R>(work: Generator<void, R>) => Promise<R>) => {
      phase = 'reading'
      const state = await run((function* () {
        for (let step = 0; step < 50; step += 1) yield
        return nft.read(family, name)
      })())
      phase = 'comparing'
      return state
    } }
    let isOver = false
    const count = (async () => {
      while (!isOver) {
        if (phase !== undefined) during[phase] += 1
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    await using again = await running(objects, { nft: watched, deps: { clock } })
    isOver = true
    await count
    expect(again.proxy.writes).toBe(0)
    expect(during.reading).toBeGreaterThan(40)
    // 3,000 models and some 15,000 elements, twice.
    expect(during.comparing).toBeGreaterThan(100)
  })

  test('fault 29, V20 a large Service comes in pieces, its address last, and goes in pieces, its address first; others have their turn between', async () => {
    const nft = new FakeNft()
    await using run = await running([here, web, slice('shop/web', ['10.244.1.5'])], { nft })
    const large = Array.from({ length: 5000 }, (_, index) => `10.250.${index >> 8}.${index & 255}`)
    const first = nft.log.length
    run.stores.slices.put(toEndpointSlice(slice('shop/large', large)))
    run.stores.services.put(toService(service('shop/large', ['10.96.0.9'])))
    await run.proxy.settled()
    const came = nft.log.slice(first)
    expect(came.length).toBe(2)
    expect(came.findIndex((text) => text.includes('service4 { 10.96.0.9 . tcp . 80'))).toBe(came.length - 1)
    expect(nft.trace({ saddr: '10.244.0.9', daddr: '10.96.0.9', dport: 80, iif: 'x' }, { random: () => 4999 }).dnat?.address).toMatchObject({ bits: 0x0afa_1387n })
    run.stores.services.remove('shop/large')
    await run.proxy.settled()
    const went = nft.log.slice(first + came.length)
    expect(went.length).toBe(2)
    expect(went.findIndex((text) => text.includes('delete element inet weft-proxy service4 { 10.96.0.9 . tcp . 80'))).toBe(0)
    // What is replaced is replaced at once, however much it is.
    run.stores.services.put(toService(service('shop/web', ['10.96.0.1'])))
    run.stores.slices.put(toEndpointSlice(slice('shop/web', large)))
    await run.proxy.settled()
    expect(nft.log.length).toBe(first + came.length + went.length + 1)
    expect(kernelText(nft)).toBe(inOrder(run.proxy.dump()))
    await using again = await running(run.stores, { nft })
    expect(again.proxy.writes).toBe(0)
  })

  test('an endpoint change writes its elements alone', async () => {
    const nft = new FakeNft()
    await using run = await running([here, web, service('shop/other', ['10.96.0.2']), slice('shop/web', ['10.244.1.5', '10.244.1.6']), slice('shop/other', ['10.244.1.9', '10.244.1.7'])], { nft })
    run.stores.slices.put(toEndpointSlice(slice('shop/web', ['10.244.1.5', '10.244.1.8'])))
    await run.proxy.settled()
    expect(nft.log.at(-1)).toBe([
      'delete element inet weft-proxy endpoint4 { 10.96.0.1 . tcp . 80 . 1 }',
      'add element inet weft-proxy endpoint4 { 10.96.0.1 . tcp . 80 . 1 : 10.244.1.8 . 8080 }', '',
    ].join('\n'))
  })

  test('a heartbeat of a node writes nothing and compares nothing; a new node touches only the ranges', async () => {
    const nft = new FakeNft()
    let reads = 0
    const counting = { commit: (tx: Transaction) => nft.commit(tx), watch: nft.watch.bind(nft), check: nft.check.bind(nft), read: nft.read.bind(nft), readInTurns: (...args: Parameters<FakeNft['readInTurns']>) => { reads += 1; return nft.readInTurns(...args) } }
    await using run = await running([here, web, slice('shop/web', ['10.244.1.5'])], { nft: counting })
    expect(reads).toBe(1)
    const { commits } = nft
    run.stores.nodes.put({ ...toNode(node('here')), ready: true })
    await run.proxy.settled()
    expect(nft.commits).toBe(commits)
    run.stores.nodes.put(toNode(node('there', { ips: ['172.30.1.12'], podCidrs: ['10.244.1.0/24'] })))
    await run.proxy.settled()
    expect(nft.log.at(-1)).toMatch(/^delete element inet weft-proxy cluster4 .*\nadd element inet weft-proxy cluster4 .*\n$/)
    expect([nft.commits, reads]).toEqual([commits + 1, 1])
    expect(kernelText(nft)).toBe(inOrder(run.proxy.dump()))
  })

  test("SVC-70 a new address of this node moves its NodePorts and the source of what it sends", async () => {
    const nft = new FakeNft()
    await using run = await running([here, service('shop/web', ['10.96.0.1'], { type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] }), slice('shop/web', ['10.244.1.5'])], { nft })
    run.stores.nodes.put(toNode(node('here', { ips: ['172.30.9.9'] })))
    await run.proxy.settled()
    expect(kernelText(nft)).toBe(inOrder(run.proxy.dump()))
    expect(run.proxy.dump()).toContain('172.30.9.9 . tcp . 30080')
    expect(run.proxy.dump()).toContain('snat ip to 172.30.9.9')
    expect(run.proxy.dump()).not.toContain('172.30.1.11')
  })

  test('a Node object that goes away under a running node changes nothing', async () => {
    await using run = await running([here, web])
    const before = run.proxy.dump()
    run.stores.nodes.remove('here')
    await run.proxy.settled()
    expect(run.proxy.dump()).toBe(before)
  })

  test('SVC-30 an edit by another program is noticed and mended, with what is missing alone', async () => {
    const nft = new FakeNft()
    await using run = await running([here, web, slice('shop/web', ['10.244.1.5'])], { nft })
    const stop = new AbortController()
    const following = followEdits({ nft, recheck: run.proxy.recheck, clock: new ManualClock(), logger: silentLogger, signal: stop.signal })
    await new Promise((resolve) => setImmediate(resolve))
    const want = kernelText(nft)
    const until = async (done: () => boolean): Promise<void> => {
      for (let turn = 0; turn < 5000 && !done(); turn += 1) await new Promise((resolve) => setImmediate(resolve))
    }
    nft.commitForeign(new Transaction({ family: 'inet', name: tables.proxy }).addRule('checked', rule(eq(ip.saddr, '10.0.0.9'), drop)))
    expect(kernelText(nft)).not.toBe(want)
    await until(() => kernelText(nft) === want)
    expect(nft.log.at(-1)).toMatch(/^delete rule inet weft-proxy checked handle \d+\n$/)
    nft.commitForeign(new Transaction({ family: 'inet', name: tables.proxy }).deleteTable())
    await until(() => nft.table('inet', tables.proxy) !== undefined && kernelText(nft) === want)
    expect(kernelText(nft)).toBe(want)
    stop.abort()
    await following
  })

  test('fault 24 events that were lost, and a subscription that breaks, make the table be compared', async () => {
    const clock = new ManualClock()
    let rechecks = 0
    let subscriptions = 0
    const watch = async (): ReturnType<FakeNft['watch']> => {
      subscriptions += 1
      const first = subscriptions === 1
      return await Promise.resolve((async function* () {
        if (first) yield 'overrun' as const
        if (first) throw new Error('ENOBUFS')
        await new Promise(() => undefined)
      })())
    }
    const stop = new AbortController()
    void followEdits({ nft: { watch }, recheck: () => void (rechecks += 1), clock, logger: silentLogger, signal: stop.signal })
    await clock.advance(0)
    expect([subscriptions, rechecks]).toEqual([1, 1])
    // What happened between two subscriptions nobody told.
    await clock.advance(1000)
    expect([subscriptions, rechecks]).toEqual([2, 2])
    stop.abort()
  })

  test('a commit that fails is followed by a comparison', async () => {
    const nft = new FakeNft()
    let failures = 0
    const clock = new ManualClock()
    const broken = { read: nft.read.bind(nft), readInTurns: nft.readInTurns.bind(nft), watch: nft.watch.bind(nft), check: nft.check.bind(nft), commit: (tx: Transaction) => {
      if (failures > 0) {
        failures -= 1
        throw new Error('refused')
      }
      nft.commit(tx)
    } }
    const stores = storesOf([here, web])
    const proxy = createProxy({ ...stores, config: proxyConfigSchema.parse({}), nodeName, nft: broken, flows: noFlows, clock, logger: silentLogger, registry: createRegistry() })
    const stop = new AbortController()
    const done = proxy.run(stop.signal)
    await proxy.whenReady()
    failures = 1
    stores.slices.put(toEndpointSlice(slice('shop/web', ['10.244.1.5'])))
    await clock.advance(0)
    expect(kernelText(nft)).not.toContain('10.244.1.5')
    await clock.advance(5000)
    expect(kernelText(nft)).toContain('10.244.1.5 . 8080')
    expect(kernelText(nft)).toBe(inOrder(proxy.dump()))
    stop.abort()
    await done
  })

  test('CVE-2020-8554 refusals are told once, counted, and end with their cause', async () => {
    await using run = await running([here, web, service('aaa/thief', ['10.96.0.66'], { externalIPs: ['10.96.0.1', '192.0.2.1'] })], { config: { externalIps: ['10.96.0.0/16'] } })
    expect(run.refused).toEqual(['aaa/thief ERR_PROXY_PORT_TAKEN', 'aaa/thief ERR_PROXY_ADDRESS_NOT_ALLOWED'])
    run.proxy.recheck()
    await run.proxy.settled()
    expect(run.refused).toHaveLength(2)
    expect(await run.registry.getSingleMetricAsString('weft_proxy_refused_ports')).toContain('weft_proxy_refused_ports 2')
    run.stores.services.remove('aaa/thief')
    await run.proxy.settled()
    expect(await run.registry.getSingleMetricAsString('weft_proxy_refused_ports')).toContain('weft_proxy_refused_ports 0')
  })

  test('SVC-23 ranges of ServiceCIDR objects are followed', async () => {
    const serviceCidrs = storeOf([toServiceCidr({ metadata: { name: 'kubernetes' }, spec: { cidrs: ['10.96.0.0/16', 'fd00:10:96::/112'] } })])
    await using run = await running([here, web], { deps: { serviceCidrs } })
    expect(run.proxy.dump()).toContain('elements = { 10.96.0.0/16 }')
    serviceCidrs.put(toServiceCidr({ metadata: { name: 'more' }, spec: { cidrs: ['10.97.0.0/16'] } }))
    await run.proxy.settled()
    expect(run.proxy.dump()).toContain('elements = { 10.96.0.0/15 }')
  })

  test('useLocalDns() sends DNS away from this node by elements alone, and back', async () => {
    const nft = new FakeNft()
    const ports = [{ name: 'udp', port: 10_053, protocol: 'UDP' }]
    await using run = await running([here, service('kube-system/kube-dns', ['10.96.0.10'], { ports: [{ name: 'udp', port: 53, protocol: 'UDP' }] }), slice('kube-system/kube-dns', [{ ip: '172.30.1.11', node: 'here' }, '172.30.1.12'], { ports })], { nft })
    const ask = { saddr: '10.244.0.5', daddr: '10.96.0.10', protocol: 'udp', dport: 53 } as const
    expect(nft.trace(ask)).toMatchObject({ tracked: false, packet: { daddr: parseIp('172.30.1.11'), dport: 10_053 } })
    const before = run.proxy.dump()
    await run.proxy.useLocalDns(false)
    expect(nft.log.at(-1)).not.toMatch(/rule|chain/)
    expect(nft.trace(ask)).toMatchObject({ tracked: true, dnat: { address: parseIp('172.30.1.12'), port: 10_053 } })
    // What was asked before is answered as before.
    expect(nft.trace({ saddr: '172.30.1.11', sport: 10_053, daddr: '10.244.0.5', protocol: 'udp', dport: 40_000 }, { local: ['172.30.1.11'] })).toMatchObject({ tracked: false, packet: { saddr: parseIp('10.96.0.10'), sport: 53 } })
    await run.proxy.useLocalDns(true)
    expect(run.proxy.dump()).toBe(before)
    expect(kernelText(nft)).toBe(inOrder(before))
  })

  test('V1 the chains that rewrite DNS come with a server on this node and go with it', async () => {
    const nft = new FakeNft()
    const ports = [{ name: 'udp', port: 10_053, protocol: 'UDP' }]
    const dns = (...endpoints: Parameters<typeof slice>[1]): object => slice('kube-system/kube-dns', endpoints, { ports })
    const chains = (): readonly string[] => nft.table('inet', tables.proxy)!.chains.flatMap(({ name }) => (name.startsWith('dns-') ? [name] : [])).toSorted()
    await using run = await running([here, service('kube-system/kube-dns', ['10.96.0.10'], { ports: [{ name: 'udp', port: 53, protocol: 'UDP' }] }), dns('172.30.1.12')], { nft })
    const put = async (...endpoints: Parameters<typeof slice>[1]): Promise<readonly string[]> => {
      run.stores.slices.put(toEndpointSlice(dns(...endpoints)))
      await run.proxy.settled()
      expect(kernelText(nft)).toBe(inOrder(run.proxy.dump()))
      return chains()
    }
    expect(chains()).toEqual([])
    expect(await put({ ip: '172.30.1.11', node: 'here' }, '172.30.1.12')).toEqual(['dns-output', 'dns-prerouting', 'dns-reply', 'dns-request'])
    expect(await put('172.30.1.12')).toEqual([])
  })

  test('SVC-92 SVC-93 SVC-96 forgets UDP flows to backends that are gone, and those from before the first one', async () => {
    const calls: { readonly filter: FlowFilter, readonly condition: (flow: TrackedFlow) => boolean }[] = []
    const flows = { deleteMatching: (filter: FlowFilter, condition: (flow: TrackedFlow) => boolean) => calls.push({ filter, condition }) }
    const tuple = (source: string, sourcePort: number, destination: string, destinationPort: number): TrackedFlow['original'] => ({ source: parseIp(source), sourcePort, destination: parseIp(destination), destinationPort, protocol: 17 })
    const flow = (backend: string, port = 5353): TrackedFlow => ({ original: tuple('10.244.0.9', 4000, '10.96.0.1', 53), reply: tuple(backend, port, '10.244.0.9', 4000) })
    const udp = [{ port: 5353, protocol: 'UDP' }]
    await using run = await running([here, service('shop/web', ['10.96.0.1'], { ports: [{ port: 53, protocol: 'UDP' }] })], { flows })
    const put = async (...endpoints: Parameters<typeof slice>[1]): Promise<readonly string[]> => {
      calls.length = 0
      run.stores.slices.put(toEndpointSlice(slice('shop/web', endpoints, { ports: udp })))
      await run.proxy.settled()
      return calls.flatMap(({ filter, condition }) => ['10.96.0.1', '10.244.1.5', '10.244.1.6'].filter((backend) => condition(flow(backend, backend === '10.96.0.1' ? 53 : 5353))).map((backend) => `${formatIp(filter.origDst!)}:${filter.origDport} ${backend}`))
    }
    expect(await put('10.244.1.5')).toEqual(['10.96.0.1:53 10.96.0.1', '10.96.0.1:53 10.244.1.6'])
    expect(await put('10.244.1.5', '10.244.1.6')).toEqual([])
    expect(await put('10.244.1.5', { ip: '10.244.1.6', ready: false, serving: true, terminating: true })).toEqual([])
    expect(await put('10.244.1.5')).toEqual(['10.96.0.1:53 10.96.0.1', '10.96.0.1:53 10.244.1.6'])
    expect(calls[0]!.condition(flow('10.244.1.5', 9))).toBe(true)
    run.stores.services.remove('shop/web')
    await run.proxy.settled()
    expect(calls.at(-1)!.condition(flow('10.244.1.5'))).toBe(true)
    await put()
    // Nobody serves it: who sent to the address before it was a Service's is to be refused as well.
    run.stores.services.put(toService(service('shop/web', ['10.96.0.1'], { ports: [{ port: 53, protocol: 'UDP' }] })))
    await run.proxy.settled()
    expect(calls.map(({ condition }) => condition(flow('10.96.0.1', 53)))).toEqual([true])
  })

  test('V12 an edit that is told amid a comparison, or amid a change, asks for a comparison more', async () => {
    const nft = new FakeNft()
    let reads = 0
    let tell: (() => void) | undefined
    const told = (): void => {
      tell?.()
      tell = undefined
    }
    const kernel = {
      check: () => undefined,
      commit: (transaction: Transaction) => {
        nft.commit(transaction)
        told()
      },
      readInTurns: async (...[family, name]: Parameters<FakeNft['readInTurns']>) => {
        reads += 1
        const state = await nft.readInTurns(family, name)
        told()
        return state
      },
    }
    await using run = await running([here, service('shop/web', ['10.96.0.1']), slice('shop/web', ['10.244.1.5'])], { nft: kernel as unknown as FakeNft })
    expect(reads).toBe(1)
    tell = run.proxy.recheck
    run.proxy.recheck()
    // What was asked for amid it comes after it.
    for (let turn = 0; turn < 2; turn += 1) await run.proxy.settled()
    expect(reads).toBe(3)
    tell = run.proxy.recheck
    run.stores.slices.put(toEndpointSlice(slice('shop/web', ['10.244.1.6'])))
    for (let turn = 0; turn < 2; turn += 1) await run.proxy.settled()
    expect(reads).toBe(4)
  })

  test('SVC-50 SVC-92 a start forgets flows of Services that went away meanwhile', async () => {
    const nft = new FakeNft()
    const objects = [here, service('shop/web', ['10.96.0.1'], { ports: [{ port: 53, protocol: 'UDP' }] }), slice('shop/web', ['10.244.1.5'], { ports: [{ port: 5353, protocol: 'UDP' }] })]
    await (await running(objects, { nft }))[Symbol.asyncDispose]()
    const seen: boolean[] = []
    const tuple = { source: parseIp('10.244.0.9'), sourcePort: 4000, destination: parseIp('10.96.0.1'), destinationPort: 53, protocol: 17 }
    const flows = { deleteMatching: (_filter: FlowFilter, condition: (flow: TrackedFlow) => boolean) => seen.push(condition({ original: tuple, reply: { ...tuple, source: parseIp('10.244.1.5'), sourcePort: 5353 } })) }
    await using _kept = await running(objects, { nft, flows })
    expect(seen).toEqual([false])
    await using _gone = await running([here], { nft, flows })
    expect(seen).toEqual([false, true])
  })
})

/** All of them where a machine has nothing else to do. */
const seeds = process.env['CI'] === undefined ? 200 : 1000

describe('every order of events', () => {
  const addresses = ['10.96.0.1', '10.96.0.2', 'fd00:10:96::1'] as const
  const endpoint = fc.record({ ip: fc.constantFrom('10.244.0.5', '10.244.1.6', '10.244.1.7'), node: fc.constantFrom('here', 'there'), ready: fc.boolean(), serving: fc.boolean(), terminating: fc.boolean(), zones: fc.constantFrom(undefined, ['a'], ['b']) })
  const key = fc.constantFrom('a/one', 'b/two', 'c/three')
  const policy = fc.constantFrom('Cluster', 'Local')
  const event = fc.oneof(
    fc.record({ kind: fc.constant('service' as const), key, ips: fc.uniqueArray(fc.constantFrom(...addresses), { minLength: 1 }), external: fc.subarray([...addresses, '203.0.113.9', '172.30.1.11']), nodePort: fc.constantFrom(undefined, 30_080, 30_081), inside: policy, outside: policy, udp: fc.boolean(), sticky: fc.constantFrom(undefined, 60, 10_800), weights: fc.constantFrom(undefined, '10.244.1.6=3', '*=0') }),
    fc.record({ kind: fc.constant('slice' as const), key, suffix: fc.constantFrom('a', 'b'), endpoints: fc.array(endpoint, { maxLength: 4 }) }),
    fc.record({ kind: fc.constant('no service' as const), key }),
    fc.record({ kind: fc.constant('no slice' as const), key, suffix: fc.constantFrom('a', 'b') }),
    fc.record({ kind: fc.constant('zone' as const), zone: fc.constantFrom('a', 'b') }),
    fc.record({ kind: fc.constant('node' as const), podCidrs: fc.subarray(['10.244.1.0/24', '10.244.2.0/24', '10.244.3.0/24']) }),
    fc.record({ kind: fc.constant('own pods' as const), podCidrs: fc.subarray(['10.244.0.0/24', 'fd00:10:244::/64']) }),
    fc.record({ kind: fc.constant('settle' as const) }), fc.record({ kind: fc.constant('settle' as const) }),
  )

  test('P11 gives one table: batched, repeated, one by one, from scratch; and a second comparison writes nothing', async () => {
    await fc.assert(fc.asyncProperty(fc.array(event, { maxLength: 16 }), fc.infiniteStream(fc.boolean()), async (events, again) => {
      const nft = new FakeNft()
      const config = { externalIps: ['0.0.0.0/0', '::/0'] }
      await using run = await running([here], { nft, config })
      const { stores, proxy } = run
      for (const one of events) {
        for (const _ of again.next().value === true ? [1, 2] : [1]) {
          if (one.kind === 'service') stores.services.put(toService(service(one.key, one.ips, { type: 'LoadBalancer', externalIPs: one.external, ports: [{ port: 80, protocol: one.udp ? 'UDP' : 'TCP', ...(one.nodePort === undefined ? {} : { nodePort: one.nodePort }) }], internalTrafficPolicy: one.inside, externalTrafficPolicy: one.outside,
            ...(one.sticky === undefined ? {} : { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: one.sticky } } }), annotations: one.weights === undefined ? {} : { 'weft.dev/weights': one.weights } })))
          else if (one.kind === 'slice') stores.slices.put(toEndpointSlice(slice(one.key, one.endpoints, { suffix: one.suffix, ports: [{ port: 8080 }, { port: 8080, protocol: 'UDP' }] })))
          else if (one.kind === 'no service') stores.services.remove(one.key)
          else if (one.kind === 'no slice') stores.slices.remove(`${one.key}-${one.suffix}`)
          else if (one.kind === 'zone') stores.nodes.put(toNode(node('here', { zone: one.zone })))
          else if (one.kind === 'own pods') stores.nodes.put(toNode(node('here', { podCidrs: one.podCidrs })))
          else if (one.kind === 'node') stores.nodes.put(toNode(node('there', { ips: ['172.30.1.12'], podCidrs: one.podCidrs })))
          else await proxy.settled()
        }
      }
      await proxy.settled()
      // A failure would have been mended by a comparison.
      expect(run.lines.filter(({ message }) => message === 'reconcile failed')).toEqual([])
      const parsed = proxyConfigSchema.parse(config)
      const model = watchNode(nodeName, { nodes: stores.nodes.values(), blocks: [], serviceCidrs: [] }, parsed)!
      const models = [...stores.services.values()].toReversed().flatMap((one) => watchService(one, [...stores.slices.values()].filter((part) => `${part.namespace}/${part.serviceName}` === `${one.namespace}/${one.name}`), { nodeName, node: model, config: parsed, useLocalDns: true }) ?? [])
      const want = inOrder(formatTable(compileProxy(model, models)))
      expect(kernelText(nft)).toBe(want)
      expect(inOrder(proxy.dump())).toBe(want)
      const { commits } = nft
      proxy.recheck()
      await proxy.settled()
      expect(nft.commits).toBe(commits)
    }), { numRuns: seeds })
  }, 600_000)
})

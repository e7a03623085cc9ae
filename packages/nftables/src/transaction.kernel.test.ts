import { skippable } from '@weft/daemon/testing'
import { hasPrograms, TestNamespace, trackDescriptors, whyNoKernelTests, whyNoPrograms } from '@weft/netlink/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  accept, baseChain, chain, concat, counter, countIn, diffElements, diffTable, drop, eq, formatTable, goTo, ip, isIn, isNftAlreadyExists, isNftBusy, isNftNotFound, jump, lookup, map, meta,
  namedCounter, NftError, NftSocket, oneOf, range, rule, set, setMark, type Table, table, tcp, th, Transaction, updateIn, vmap,
} from './index.ts'
import type { TableEvent } from './nft.ts'

const reason = whyNoKernelTests()
const demo = { family: 'inet', name: 'demo' } as const

async function open(options: { readonly canDestroy?: boolean, readonly limitBytes?: number } = {}): Promise<AsyncDisposable & { readonly ns: TestNamespace, readonly nft: NftSocket }> {
  const ns = await TestNamespace.create()
  const nft = await NftSocket.open({ netns: ns.path, ...options })
  return {
    ns, nft,
    [Symbol.asyncDispose]: async () => {
      nft[Symbol.dispose]()
      await ns[Symbol.asyncDispose]()
    },
  }
}

/** That the kernel has a table as wanted: by what we read back, and by what nft lists where there is one. */
function expectInKernel({ ns, nft }: { readonly ns: TestNamespace, readonly nft: NftSocket }, wanted: Table): void {
  const linesOf = (text: string): string[] => text.split('\n').toSorted()
  const state = nft.read(wanted.family, wanted.name)
  expect(diffTable(state, wanted).text).toBe('')
  expect(linesOf(formatTable({ ...state!.table, chains: wanted.chains }))).toEqual(linesOf(formatTable(wanted)))
  if (hasPrograms('nft')) expect(linesOf(ns.exec('nft', ['list', 'table', wanted.family, wanted.name]))).toEqual(linesOf(formatTable(wanted)))
}

function failure(run: () => void): NftError {
  try {
    run()
  } catch (error) {
    if (error instanceof NftError) return error
    throw error
  }
  throw new Error('the commit was not refused')
}

describe.skipIf(reason !== undefined)(skippable('NftSocket', reason), () => {
  let leaked: (() => string[]) | undefined
  beforeAll(async () => {
    leaked = await trackDescriptors()
  })
  // oxlint-disable-next-line vitest/no-standalone-expect
  afterAll(() => expect(leaked?.()).toEqual([]))

  test('check() finds what commit() would refuse, and leaves everything as it is', async () => {
    await using kernel = await open()
    const { ns, nft } = kernel
    const wanted = table({ name: 'demo', chains: [baseChain('in', { type: 'nat', hook: 'prerouting', priority: -100 }, [rule(eq(tcp.dport, 80), drop)])] })
    nft.check(new Transaction(wanted).addAll(wanted))
    expect(nft.read('inet', 'demo')).toBeUndefined()
    nft.commit(new Transaction(wanted).addAll(wanted))
    const events: (TableEvent | 'overrun')[] = []
    const stop = new AbortController()
    using other = await NftSocket.open({ netns: ns.path })
    const watched = await other.watch(demo, { signal: stop.signal })
    const following = (async () => { for await (const event of watched) events.push(event) })()
    nft.check(new Transaction(demo).deleteTable())
    expect(failure(() => nft.check(new Transaction(demo).addRule('nowhere', rule(drop))))).toMatchObject({ errno: 'ENOENT', refused: [{ index: 0, errno: 'ENOENT' }] })
    nft.commit(new Transaction(demo).addRule('in', rule(drop)))
    expectInKernel(kernel, { ...wanted, chains: [{ ...wanted.chains[0]!, rules: [...wanted.chains[0]!.rules, rule(drop)] }] })
    await expect.poll(() => events.length).toBeGreaterThan(0)
    stop.abort()
    await following.catch(() => undefined)
    expect(events).toEqual([expect.objectContaining({ verb: 'new', object: 'rule', name: 'in' })])
  })

  test('commit() is all or nothing and names what was refused', async () => {
    await using world = await open()
    const { nft } = world
    const error = failure(() => {
      nft.commit(new Transaction(demo).addTable().addChain(chain('a')).addRule('nowhere', rule(eq(ip.daddr, '10.0.0.1'), accept)).addRule('a', rule(jump('missing'))))
    })
    expect(error.message).toBe('Cannot commit to table "inet demo": operation 2 "add rule inet demo nowhere ip daddr 10.0.0.1 accept" and 1 more was refused (ENOENT)')
    expect(error.refused.map(({ index, errno }) => [index, errno])).toEqual([[2, 'ENOENT'], [3, 'ENOENT']])
    expect(isNftNotFound(error)).toBe(true)
    expect(nft.read('inet', 'demo')).toBeUndefined()
  })

  test('commit() tells absence, presence and use apart', async () => {
    await using world = await open()
    const { nft } = world
    const ports = map('ports', { key: ['inet_service'], data: ['mark'], elements: [{ key: 80, data: 1 }] })
    nft.commit(new Transaction(demo).addAll(table({ name: 'demo', maps: [ports], chains: [chain('a', [rule(jump('b'))]), chain('b')] })))
    expect(isNftAlreadyExists(failure(() => nft.commit(new Transaction(demo).addElements(ports, [{ key: 80, data: 2 }]))))).toBe(true)
    nft.commit(new Transaction(demo).addElements(ports, [{ key: 80, data: 1 }]))
    expect(isNftNotFound(failure(() => nft.commit(new Transaction(demo).deleteElements(ports, [{ key: 81 }]))))).toBe(true)
    expect(isNftBusy(failure(() => nft.commit(new Transaction(demo).deleteChain('b'))))).toBe(true)
    expect(isNftNotFound(failure(() => nft.commit(new Transaction(demo).deleteSet({ kind: 'set', name: 'none' }))))).toBe(true)
  })

  for (const canDestroy of [true, false]) {
    test(`destroy does not mind absence, ${canDestroy ? 'with' : 'without'} the kernel's own destroy`, async () => {
      await using world = await open({ canDestroy })
      const { nft } = world
      const pods = set('pods', { key: ['ipv4_addr'], elements: [{ key: '10.0.0.1' }] })
      nft.commit(new Transaction(demo).destroyTable())
      nft.commit(new Transaction(demo).addTable().addSet(pods).destroyChain('gone').destroyElements(pods, [{ key: '10.0.0.1' }, { key: '10.0.0.2' }]))
      expectInKernel(world, table({ name: 'demo', sets: [{ ...pods, elements: [] }] }))
      nft.commit(new Transaction(demo).destroyTable())
      expect(nft.read('inet', 'demo')).toBeUndefined()
    })
  }

  test('rules go where they are told: append, insert, replace, delete', async () => {
    await using world = await open()
    const { nft } = world
    const mark = (port: number) => rule(eq(tcp.dport, port), accept)
    nft.commit(new Transaction(demo).addTable().addChain(chain('c', [mark(2), mark(4)])))
    const [two, four] = nft.read('inet', 'demo')!.rules.get('c')!
    nft.commit(new Transaction(demo).addRule('c', mark(5)).insertRule('c', mark(1)).addRule('c', mark(3), { after: two!.handle }).replaceRule('c', four!.handle, mark(44)))
    expectInKernel(world, table({ name: 'demo', chains: [chain('c', [1, 2, 3, 44, 5].map(mark))] }))
    const { rules } = nft.read('inet', 'demo')!
    nft.commit(new Transaction(demo).deleteRule('c', rules.get('c')![0]!.handle).insertRule('c', mark(9), { before: rules.get('c')![1]!.handle }))
    expectInKernel(world, table({ name: 'demo', chains: [chain('c', [9, 2, 3, 44, 5].map(mark))] }))
    nft.commit(new Transaction(demo).flushChain('c'))
    expect(nft.read('inet', 'demo')!.rules.get('c')).toEqual([])
  })

  test('diffTable() edits what differs and nothing else', async () => {
    await using world = await open()
    const { nft } = world
    const build = (options: { readonly ports: readonly number[], readonly pods: readonly string[], readonly extra: boolean, readonly policy: 'accept' | 'drop' }): Table => {
      const pods = set('pods', { key: ['ipv4_addr'], elements: options.pods.map((key) => ({ key })) })
      const verdicts = map('verdicts', { key: ['ipv4_addr'], data: 'verdict', elements: options.extra ? [{ key: '10.0.0.9', data: goTo('extra') }] : [] })
      return table({
        name: 'demo', sets: [pods, ...(options.extra ? [set('more', { key: ['mark'] })] : [])], maps: [verdicts], counters: options.extra ? [namedCounter('hits')] : [],
        chains: [
          chain('same', [rule(isIn(ip.saddr, pods), accept)]),
          ...(options.extra ? [chain('extra', [rule(countIn('hits'), drop)])] : []),
          baseChain('forward', { type: 'filter', hook: 'forward', priority: 0, policy: options.policy }, [
            rule(jump('same')),
            ...options.ports.map((port) => rule(eq(tcp.dport, port), counter(), accept)),
            rule(vmap(ip.daddr, verdicts)),
          ]),
        ],
      })
    }
    const first = build({ ports: [1, 2, 3], pods: ['10.0.0.1', '10.0.0.2'], extra: false, policy: 'accept' })
    const second = build({ ports: [1, 4, 3, 5], pods: ['10.0.0.2', '10.0.0.3'], extra: true, policy: 'drop' })
    nft.commit(diffTable(undefined, first))
    const before = nft.read('inet', 'demo')!
    for (const wanted of [second, first, second]) {
      const tx = diffTable(nft.read('inet', 'demo'), wanted)
      expect(tx.text).not.toMatch(/flush chain inet demo (same|forward)|rule inet demo same/)
      nft.commit(tx)
      expectInKernel(world, wanted)
    }
    const after = nft.read('inet', 'demo')!
    expect(after.rules.get('same')).toEqual(before.rules.get('same'))
    expect(after.rules.get('forward')![0]).toEqual(before.rules.get('forward')![0])
  })

  test('diffTable() replaces the table in one batch when a declaration cannot be edited', async () => {
    await using world = await open()
    const { nft } = world
    const build = (key: 'ipv4_addr' | 'ipv6_addr', priority: number): Table => table({
      name: 'demo', sets: [set('pods', { key: [key] })], chains: [baseChain('forward', { type: 'filter', hook: 'forward', priority }, [rule(eq(tcp.dport, 80), accept)])],
    })
    nft.commit(diffTable(undefined, build('ipv4_addr', 0)))
    for (const wanted of [build('ipv6_addr', 0), build('ipv6_addr', 5)]) {
      nft.commit(diffTable(nft.read('inet', 'demo'), wanted))
      expectInKernel(world, wanted)
      expect(diffTable(nft.read('inet', 'demo'), wanted).isEmpty).toBe(true)
    }
  })

  const noNft = whyNoPrograms('nft')
  test.for<readonly [by: string, reason: string | undefined, edit: (ns: TestNamespace) => void | Promise<void>]>([
    [skippable('nft', noNft), noNft, (ns) => {
      ns.exec('nft', ['add element inet demo seen { 10.0.0.1 }; insert rule inet demo c tcp dport 81 drop; add chain inet demo foreign'])
    }],
    ['another of us', undefined, async (ns) => {
      using other = await NftSocket.open({ netns: ns.path })
      other.commit(new Transaction(demo).addElements(set('seen', { key: ['ipv4_addr'], flags: ['dynamic'], timeoutMs: 60_000 }), [{ key: '10.0.0.1' }]).insertRule('c', rule(eq(tcp.dport, 81), drop)).addChain(chain('foreign')))
    }],
  ])('diffTable() repairs a foreign edit, by %s, and leaves dynamic elements alone', async ([, missing, edit], { skip }) => {
    skip(missing !== undefined, missing)
    await using world = await open()
    const { ns, nft } = world
    const seen = set('seen', { key: ['ipv4_addr'], flags: ['dynamic'], timeoutMs: 60_000 })
    const wanted = table({ name: 'demo', sets: [seen], chains: [chain('c', [rule(updateIn(seen, ip.saddr)), rule(eq(tcp.dport, 80), accept)])] })
    nft.commit(diffTable(undefined, wanted))
    await edit(ns)
    const tx = diffTable(nft.read('inet', 'demo'), wanted)
    expect(tx.operations.map(({ verb, object }) => `${verb} ${object}`)).toEqual(['delete rule', 'delete chain'])
    nft.commit(tx)
    expect(diffTable(nft.read('inet', 'demo'), wanted).isEmpty).toBe(true)
    expect(nft.read('inet', 'demo')!.table.sets[0]!.elements).toHaveLength(1)
  })

  test('intervals that touch stay apart, overlaps are refused by name', async () => {
    await using world = await open()
    const { nft } = world
    const ranges = set('ranges', { key: ['ipv4_addr'], flags: ['interval'] })
    const at = (...keys: readonly string[]) => keys.map((key) => ({ key }))
    nft.commit(new Transaction(demo).addTable().addSet(ranges).addElements(ranges, at('10.0.0.0/9', '10.128.0.0/9', '0.0.0.0/8', '255.0.0.0/8')))
    nft.commit(new Transaction(demo).deleteElements(ranges, at('10.128.0.0/9', '255.0.0.0/8')).addElements(ranges, at('10.128.0.0/10', '11.0.0.0/8')))
    const elements = nft.read('inet', 'demo')!.table.sets[0]!.elements
    expect(formatTable(table({ name: 'demo', sets: [{ ...ranges, elements }] }))).toContain('elements = { 0.0.0.0/8, 10.0.0.0/9,\n\t\t\t     10.128.0.0/10, 11.0.0.0/8 }')
    expect(failure(() => nft.commit(new Transaction(demo).addElements(ranges, [{ key: '10.0.0.0/8' }, { key: range('10.3.0.0', '10.3.0.9') }]))).message)
      .toBe('Cannot add elements to set "ranges": 10.0.0.0/8 and 10.3.0.0-10.3.0.9 overlap')
  })

  test('commit() splits what does not fit: data first, rules last', async () => {
    await using world = await open({ limitBytes: 100_000 })
    const { nft } = world
    const count = 20_000
    const marks = map('marks', { key: ['ipv4_addr', 'inet_service'], data: ['mark'], elements: Array.from({ length: count }, (_, n) => ({ key: [{ family: 4, bits: BigInt(n) }, 80], data: n })) })
    const wanted = table({ name: 'demo', maps: [marks], chains: [chain('c', [rule(oneOf(meta.l4proto, ['tcp', 'udp']), setMark(lookup(concat(ip.daddr, th.dport), marks)))])] })
    nft.commit(diffTable(undefined, wanted))
    const state = nft.read('inet', 'demo')!
    expect(state.table.maps[0]!.elements).toHaveLength(count)
    expect(diffTable(state, wanted).isEmpty).toBe(true)
    const fewer = { ...marks, elements: marks.elements.slice(100).map((element, index) => (index < 5000 ? { ...element, data: 7 } : element)) }
    const tx = new Transaction(demo)
    diffElements(tx, fewer, marks.elements)
    nft.commit(tx)
    expect(diffTable(nft.read('inet', 'demo'), { ...wanted, maps: [fewer] }).isEmpty).toBe(true)
    const retyped = { ...wanted, maps: [{ ...marks, comment: 'so that the table is replaced' }] }
    nft.commit(diffTable(nft.read('inet', 'demo'), retyped))
    // While its hash table still grows, in the background, a map lists elements twice or not at all (nft_rhash, Linux 6.18).
    await expect.poll(() => diffTable(nft.read('inet', 'demo'), retyped).isEmpty).toBe(true)
    const rules = new Transaction(demo)
    for (let port = 1; port < 1000; port++) rules.addRule('c', rule(eq(tcp.dport, port), accept))
    expect(failure(() => nft.commit(rules)).code).toBe('ERR_NFT_BATCH_TOO_LARGE')
  })

  test('watch() tells of foreign edits to our table and of nothing else', async () => {
    await using world = await open()
    const { ns, nft } = world
    const stop = new AbortController()
    const events = await nft.watch(demo, { signal: stop.signal })
    nft.commit(new Transaction(demo).addTable().addChain(chain('c')))
    using foreigner = await NftSocket.open({ netns: ns.path })
    foreigner.commit(new Transaction({ family: 'inet', name: 'other' }).addTable())
    foreigner.commit(new Transaction(demo).addRule('c', rule(eq(tcp.dport, 80), accept)).destroyTable())
    const seen: (TableEvent | 'overrun')[] = []
    for await (const event of events) {
      seen.push(event)
      if (event !== 'overrun' && event.object === 'table') stop.abort()
    }
    expect(seen.map((event) => (event === 'overrun' ? event : `${event.verb} ${event.object} ${event.name}`))).toEqual(['new rule c', 'delete rule c', 'delete chain c', 'delete table demo'])
  })
})

import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { tables } from '@weft/api'
import { skippable } from '@weft/daemon/testing'
import { whyNoKernelTests } from '@weft/netlink/testing'
import { diffTable, formatElement, type MapDeclaration, type MapElement, type NftInTurns, type NftSocket, type SetDeclaration, type SetElement, type Table, type TableState, Transaction } from '@weft/nftables'
import { FakeNft } from '@weft/nftables/testing'
import { describe, expect, test } from 'vitest'
import { extras, generation, type KillPoint } from '../test/killed-at.ts'
import { Lab } from '../test/lab.ts'
import { running } from '../test/running.ts'
import { families, sets } from './sets.ts'

const reason = whyNoKernelTests()
/** The fault catalogue asks for a thousand, which takes half an hour on an idle machine: WEFT_KILLS=1000. */
const kills = Number(process.env['WEFT_KILLS'] ?? 16)

/** Every work and moment in turn; batches and parts of their time differ from round to round. */
function pointOf(kill: number): KillPoint {
  const moments = ['before', 'within', 'sent', 'after'] as const
  const works = ['replace', 'within', 'grow', 'load'] as const
  const round = Math.floor(kill / 16)
  const [moment, work] = [moments[kill % 4]!, works[Math.floor(kill / 4) % 4]!]
  // Amid the kernel's work there are most places to be at.
  return work === 'within' || moment === 'within' ? { work: 'replace', moment: 'within', batch: 1, part: (kill % 4 + (round * 0.618) % 1) / 4 } : { work, moment, batch: 1 + (round % (work === 'load' ? 3 : 4)), part: (round * 0.618) % 1 }
}

describe.skipIf(reason !== undefined)(skippable('a proxy that is killed', reason), () => {
  test(`fault 3, V5: killed at every point of a batch (${kills} times) the table is old or new, and the next start ends without a flush and with no write left`, async ({ annotate }) => {
    const [old, other, grown] = [await wanted(generation(0)), await wanted(generation(1)), await wanted([...generation(0), ...extras().flat()])]
    const seen = new Map<string, number>()
    await using lab = await Lab.create()
    for (let kill = 0; kill < kills; kill += 1) {
      const point = pointOf(kill)
      if (point.work === 'load') lab.nft.commit(new Transaction({ family: 'inet', name: tables.proxy }).destroyTable())
      const child = lab.spawn('node', 'killed-at.ts', [JSON.stringify(point)])
      const [said, [, signal]] = await Promise.all([text(child.stdout!), once(child, 'exit')])
      expect([point, signal]).toEqual([point, 'SIGKILL'])
      const found = lab.nft.read('inet', tables.proxy)
      const state = stateOf(found, point, { old, other, grown })
      expect([point, state]).toEqual([point, expect.not.stringMatching(/^mixed/)])
      const place = point.moment === 'within' && said.endsWith('done') ? 'too late' : point.moment
      // Clusters alternate, and the first batch brings the first of them.
      const isDone = (state === 'old') === (point.batch % 2 === 1)
      if (point.work === 'replace' && point.moment !== 'within') expect([point, isDone]).toEqual([point, place !== 'before'])
      const name = `${point.work}, ${place}: ${point.work === 'replace' ? (isDone ? 'done' : 'not done') : state}`
      seen.set(name, (seen.get(name) ?? 0) + 1)
      await using run = await running(generation(0), { nft: withoutFlush(lab.nft) })
      expect([point, diffTable(lab.nft.read('inet', tables.proxy), old).text]).toEqual([point, ''])
      // A second start each time would take as long as all kills.
      if (kill >= 16 && kill % 10 !== 0) continue
      await using again = await running(generation(0), { nft: lab.nft })
      expect([point, again.proxy.writes]).toEqual([point, 0])
      expect(run.proxy.ready().ready).toBe(true)
    }
    await annotate([...seen].map(([name, count]) => `${name}: ${count}`).sort((a, b) => a.localeCompare(b)).join('\n'))
    // The kernel gives up a batch whose sender is being killed.
    expect(seen.get('replace, within: not done')).toBeGreaterThan(0)
  }, 90_000 + kills * 10_000)
})

async function wanted(objects: readonly object[]): Promise<Table> {
  const fake = new FakeNft()
  await using _run = await running(objects, { nft: fake })
  return fake.table('inet', tables.proxy)!
}

/** What a kernel has, of the tables there may be: `old`, `new`, `inactive`, `part`; else what of it is mixed. */
function stateOf(found: TableState | undefined, { work }: KillPoint, { old, other, grown }: { readonly old: Table, readonly other: Table, readonly grown: Table }): string {
  if (work === 'load') {
    if (found === undefined || [...found.rules.values()].every((rules) => rules.length === 0)) return 'nothing acts'
    return isSame(found, old) ? 'new' : `mixed: ${diffTable(found, old).text}`
  }
  if (isSame(found, old)) return 'old'
  if (isSame(found, work === 'replace' ? other : grown)) return 'new'
  if (work === 'replace') return `mixed: ${diffTable(found, other).text}`
  return halfServices(found!, grown).length === 0 ? 'some Services, each whole' : `mixed: ${halfServices(found!, grown).join(', ')}`
}

function isSame(found: TableState | undefined, table: Table): boolean {
  return found !== undefined && diffTable(found, table).isEmpty
}

/** Elements that a Service that packets find lacks. */
function halfServices(found: TableState, { maps, sets: all }: Table): readonly string[] {
  const leading = new Set<string>(families.flatMap((family) => [sets[family].service.name, sets[family].local.name]))
  const textsOf = (set: SetDeclaration | MapDeclaration): readonly string[] => set.elements.map((element: SetElement | MapElement) => formatElement(set, element))
  const addressOf = (element: string): string => element.split(' ')[0]!
  const has = new Map([...found.table.maps, ...found.table.sets].map((set) => [set.name, new Set(textsOf(set))]))
  const served = new Set([...leading].flatMap((name) => [...has.get(name) ?? []].map(addressOf)))
  return [...maps, ...all].flatMap((set) => textsOf(set).filter((element) => served.has(addressOf(element)) && has.get(set.name)?.has(element) !== true).map((element) => `${set.name} ${element}`))
}

/** Refuses to take the table, or everything in a set or chain, away; chains that pick backends come and go with their numbers. */
function withoutFlush(nft: NftSocket): NftInTurns {
  return {
    commit(transaction: Transaction) {
      for (const { verb, object, ...rest } of transaction.operations) {
        const isWhole = verb === 'flush' || verb === 'delete' || verb === 'destroy'
        const isOfPick = 'name' in rest && rest.name.startsWith('lb')
        if (isWhole && ['table', 'set', 'chain'].includes(object) && !isOfPick) throw new Error(`the start does not go on from what it found: ${verb} ${object}`)
      }
      nft.commit(transaction)
    },
    check: (transaction) => nft.check(transaction),
    read: (family, name) => nft.read(family, name),
    readInTurns: (family, name, run) => nft.readInTurns(family, name, run),
    watch: (table, options) => nft.watch(table, options),
  }
}

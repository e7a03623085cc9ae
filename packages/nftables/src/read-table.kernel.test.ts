import * as fc from 'fast-check'
import { skippable } from '@weft/daemon/testing'
import { NetlinkDecodeError, type NetlinkMessage, type NetlinkRequest, NetlinkSocket } from '@weft/netlink'
import { TestNamespace, whyNoKernelTests } from '@weft/netlink/testing'
import { describe, expect, test } from 'vitest'
import { sampleTables } from '../test/sample-tables.ts'
import { set } from './declare.ts'
import { NftError } from './nft-error.ts'
import type { TableState } from './nft.ts'
import { NftSocket } from './nft-socket.ts'
import { readTable } from './read-table.ts'
import type { Table } from './table.ts'
import { Transaction } from './transaction.ts'

const reason = whyNoKernelTests()
/** NFT_MSG_NEWSETELEM */
const newElementsType = 12

type Asked = (request: NetlinkRequest) => readonly NetlinkMessage[]

/** What a reader of tables needs of a socket. */
function socketOf(asked: Asked): NetlinkSocket {
  return {
    request: (request: NetlinkRequest) => asked(request),
    *dumping(request: NetlinkRequest) {
      yield
      return asked(request)
    },
  } as unknown as NetlinkSocket
}

/** Everything the kernel answers to whoever reads the table, by request. */
async function recorded(table: Table): Promise<ReadonlyMap<string, readonly NetlinkMessage[]>> {
  await using ns = await TestNamespace.create()
  using nft = await NftSocket.open({ netns: ns.path })
  nft.commit(new Transaction(table).addAll(table))
  using socket = await NetlinkSocket.open('netfilter', { netns: ns.path })
  const answers = new Map<string, readonly NetlinkMessage[]>()
  const isDump = (request: NetlinkRequest): boolean => request.type !== generationType && request.type !== tableType
  readTable(socketOf((request) => {
    const messages = isDump(request) ? socket.dump(request) : socket.request(request)
    answers.set(keyOf(request), messages)
    return messages
  }), table)
  return answers
}

const generationType = 0xa10
const tableType = 0xa01

function keyOf({ type, payload }: NetlinkRequest): string {
  return `${type} ${Buffer.from(payload).toString('hex')}`
}

describe.skipIf(reason !== undefined)(skippable('readTable()', reason), () => {
  test('fault 3, promise 10: a set in which elements come twice, as while the kernel resizes it, is read again, and refused when that does not end', async () => {
    const wanted: Table = { family: 'inet', name: 'demo', counters: [], maps: [], chains: [], sets: [set('many', { key: ['mark'], elements: Array.from({ length: 2000 }, (_, key) => ({ key })) })] }
    await using ns = await TestNamespace.create()
    using nft = await NftSocket.open({ netns: ns.path })
    nft.commit(new Transaction(wanted).addAll(wanted))
    using socket = await NetlinkSocket.open('netfilter', { netns: ns.path })
    const real = socket.dumping.bind(socket)
    let dumps = 0
    const readingTwice = (times: number): number => {
      dumps = 0
      socket.dumping = function* dumping(request) {
        const answers = yield* real(request)
        if (answers.length < 2 || !answers.every(({ type }) => (type & 0xff) === newElementsType)) return answers
        dumps += 1
        return dumps <= times ? [...answers.slice(0, -1), answers[0]!] : answers
      }
      return new Set(readTable(socket, wanted)!.table.sets[0]!.elements.map(({ key }) => key)).size
    }
    expect([readingTwice(0), dumps, readingTwice(2), dumps]).toEqual([2000, 1, 2000, 3])
    expect(() => readingTwice(100)).toThrow('Cannot read set "many" of table "inet demo": elements came twice in each of 10 readings')
  })

  test.each(sampleTables)('of damaged answers about $name gives a table, or refuses in words of its own', async (table) => {
    const answers = await recorded(table)
    const all = [...answers.values()].flat()
    expect(all.length).toBeGreaterThan(2)
    /** What reading throws when one message is another. */
    const faultWith = (damaged: NetlinkMessage, payload: Uint8Array): unknown => {
      try {
        readTable(socketOf((request) => (answers.get(keyOf(request)) ?? []).map((message) => (message === damaged ? { ...message, payload } : message))), table)
        return undefined
      } catch (error) {
        return error instanceof NetlinkDecodeError || error instanceof NftError ? undefined : error
      }
    }
    const message = fc.nat(all.length - 1).map((at) => all[at]!)
    fc.assert(fc.property(message, fc.nat(4096), (damaged, at) => {
      expect(faultWith(damaged, damaged.payload.slice(0, at % (damaged.payload.length + 1)))).toBeUndefined()
    }), { numRuns: 150, seed: 1 })
    const change = fc.record({ at: fc.nat(4096), value: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 3, 4, 5, 255)) })
    fc.assert(fc.property(message, fc.array(change, { minLength: 1, maxLength: 6 }), (damaged, changes) => {
      const payload = damaged.payload.slice()
      for (const { at, value } of changes) if (payload.length > 0) payload[at % payload.length] = value
      expect(faultWith(damaged, payload)).toBeUndefined()
    }), { numRuns: 250, seed: 1 })
  })

  test('in turns gives the table of one moment: it begins anew when that table is changed, other tables matter nothing, and one that never rests is refused', async () => {
    await using ns = await TestNamespace.create()
    using nft = await NftSocket.open({ netns: ns.path })
    using other = await NftSocket.open({ netns: ns.path })
    const ports = set('ports', { key: ['inet_service'] })
    const pairs = set('pairs', { key: ['inet_service'] })
    nft.commit(new Transaction({ family: 'inet', name: 'ours' }).addTable().addSet(ports).addSet(pairs))
    let value = 0
    /** One more in both sets, at once. */
    const change = (name: string): void => {
      value += 1
      const tx = new Transaction({ family: 'inet', name })
      for (const each of [ports, pairs]) tx.addElements(each, [{ key: [value] }])
      other.commit(tx)
    }
    const read = (between: () => void): Promise<TableState | undefined> => nft.readInTurns('inet', 'ours', async (work) => {
      for (;;) {
        const step = work.next()
        if (step.done === true) return step.value
        between()
      }
    })
    let changes = 0
    const changed = await read(() => { if (changes++ < 7) change('ours') })
    const [first, second] = changed!.table.sets.map(({ elements }) => elements.length)
    expect([first, second]).toEqual([7, 7])
    other.commit(new Transaction({ family: 'inet', name: 'theirs' }).addTable().addSet(ports).addSet(pairs))
    expect((await read(() => change('theirs')))!.table.sets).toEqual(changed!.table.sets)
    await expect(read(() => change('ours'))).rejects.toMatchObject({ code: 'ERR_NFT_READ_FAILED', errno: 'EINTR' })
  })
})

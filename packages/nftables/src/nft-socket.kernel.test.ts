import { skippable } from '@weft/daemon/testing'
import { TestNamespace, whyNoKernelTests, whyNoPrograms } from '@weft/netlink/testing'
import { describe, expect, test } from 'vitest'
import { sampleTables } from '../test/sample-tables.ts'
import { diffTable } from './diff-table.ts'
import { formatTable } from './format-table.ts'
import { NftSocket } from './nft-socket.ts'
import type { Table } from './table.ts'
import { Transaction } from './transaction.ts'

const reason = whyNoKernelTests()
const noNft = reason ?? whyNoPrograms('nft')

function list(ns: TestNamespace, table: Table): string {
  return ns.exec('nft', ['list', 'table', table.family, table.name])
}

describe.skipIf(reason !== undefined)(skippable('tables in the kernel', reason), () => {
  for (const table of sampleTables) {
    test.skipIf(noNft !== undefined)(skippable(`commit() loads what nft lists as formatTable() printed it: ${table.name}`, noNft), async () => {
      await using ns = await TestNamespace.create()
      using nft = await NftSocket.open({ netns: ns.path })
      nft.commit(new Transaction(table).addAll(table))
      expect(list(ns, table)).toBe(formatTable(table))
    })

    test.skipIf(noNft !== undefined)(skippable(`formatTable() is accepted by nft -f, listed the same and read() the same: ${table.name}`, noNft), async () => {
      await using ns = await TestNamespace.create()
      using nft = await NftSocket.open({ netns: ns.path })
      ns.exec('nft', ['-f', '-'], formatTable(table))
      expect(list(ns, table)).toBe(formatTable(table))
      const state = nft.read(table.family, table.name)
      expect(formatTable({ ...state!.table, chains: table.chains })).toBe(formatTable(table))
    })

    test(`diffTable() is empty after commit() and read(): ${table.name}`, async () => {
      await using ns = await TestNamespace.create()
      using nft = await NftSocket.open({ netns: ns.path })
      expect(nft.read(table.family, table.name)).toBeUndefined()
      nft.commit(diffTable(undefined, table))
      const state = nft.read(table.family, table.name)
      expect(formatTable({ ...state!.table, chains: table.chains })).toBe(formatTable(table))
      expect(diffTable(state, table).text).toBe('')
    })

    test.skipIf(noNft !== undefined)(skippable(`Transaction.text is accepted by nft -f: ${table.name}`, noNft), async () => {
      await using ns = await TestNamespace.create()
      ns.exec('nft', ['-f', '-'], new Transaction(table).addAll(table).text)
      expect(list(ns, table)).toBe(formatTable(table))
    })
  }
})

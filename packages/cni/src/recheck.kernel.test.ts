import { skippable } from '@weft/daemon/testing'
import { whyNoKernelTests } from '@weft/netlink/testing'
import { NftSocket, Transaction } from '@weft/nftables'
import { describe, expect, it } from 'vitest'
import { createNode, eventually } from '../test/node-fixture.ts'

const reason = whyNoKernelTests()

describe.skipIf(reason !== undefined)(skippable('Cni.recheck()', reason), () => {
  it('mends a foreign edit at once, warns and counts it', async () => {
    await using node = await createNode({ kind: 'twin' })
    await node.start()
    using nft = await NftSocket.open({ netns: node.namespace.path })
    expect(node.lines.filter(({ message }) => message.startsWith('table mended'))).toEqual([])
    const { writes } = node.cni
    nft.commit(new Transaction({ family: 'inet', name: 'weft-cni' }).destroyTable())
    node.cni.recheck()
    await eventually('the table is back', () => nft.read('inet', 'weft-cni') !== undefined)
    await eventually('it is counted', () => node.cni.writes === writes + 1)
    expect(node.lines.filter(({ message }) => message.startsWith('table mended'))).toMatchObject([{ level: 'warn', fields: { table: 'weft-cni' } }])
  })
})

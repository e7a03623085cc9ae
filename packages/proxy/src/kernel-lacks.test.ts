import { collectingLogger } from '@weft/daemon/testing'
import { FakeNft } from '@weft/nftables/testing'
import { expect, test } from 'vitest'
import { KernelLacks } from './kernel-lacks.ts'

test('fault 22: each lack is told once, however often the kernel is asked, and one that is mended is none any more', async () => {
  const told: string[] = []
  let tracksSctp = false
  const logger = collectingLogger()
  const lacks = new KernelLacks({ nft: new FakeNft({ lacks: ['fib'] }), tracksSctp: async () => await Promise.resolve(tracksSctp), onLacking: (message) => void told.push(message), logger })
  await lacks.look()
  await lacks.look()
  expect([[...lacks.all], told, logger.lines.length]).toEqual([['fib', 'sctp'], [expect.stringContaining('CONFIG_NFT_FIB_INET'), expect.stringContaining('CONFIG_NF_CT_PROTO_SCTP')], 2])
  tracksSctp = true
  await lacks.look()
  expect([...lacks.all]).toEqual(['fib'])
})

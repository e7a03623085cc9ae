import { existsSync } from 'node:fs'
import { skippable } from '@weft/daemon/testing'
import { readSysctls } from '@weft/netlink'
import { hasPrograms, TestNamespace, whyNoKernelTests } from '@weft/netlink/testing'
import { NftSocket } from '@weft/nftables'
import { expect, test } from 'vitest'
import { tracksSctp } from './conntrack-settings.ts'
import { probeKernel } from './kernel-features.ts'

const reason = whyNoKernelTests()

test.skipIf(reason !== undefined)(skippable('fault 22 this kernel has what all other tests use, is told what else it lacks, and keeps nothing of the question', reason), async () => {
  await using ns = await TestNamespace.create()
  using nft = await NftSocket.open({ netns: ns.path })
  const { lacks, sentences } = await probeKernel(nft, () => tracksSctp({ read: (names) => readSysctls(ns.path, names) }))
  const hasSctp = existsSync('/proc/sys/net/netfilter/nf_conntrack_sctp_timeout_established')
  expect([[...lacks], sentences.length]).toEqual(hasSctp ? [[], 0] : [['sctp'], 1])
  if (hasPrograms('nft')) expect(ns.exec('nft', ['list', 'ruleset'])).toBe('')
  expect(nft.read('inet', 'weft-proxy-probe')).toBeUndefined()
})

import { text } from 'node:stream/consumers'
import { tables } from '@weft/api'
import { skippable } from '@weft/daemon/testing'
import { whyNoKernelTests } from '@weft/netlink/testing'
import { diffTable } from '@weft/nftables'
import { FakeNft } from '@weft/nftables/testing'
import { describe, expect, test } from 'vitest'
import { type ChurnReport, clusterAfter } from '../test/churn.ts'
import { Lab } from '../test/lab.ts'
import { running } from '../test/running.ts'

const reason = whyNoKernelTests()
/** The fault catalogue asks for half an hour: WEFT_CHURN_SECONDS=1800. */
const seconds = Number(process.env['WEFT_CHURN_SECONDS'] ?? 5)
const rate = 200

describe.skipIf(reason !== undefined)(skippable('a proxy in churn', reason), () => {
  test(`fault 27: 10,000 Services lose and get their only endpoint, ${rate} changes a second for ${seconds} s: lag below 1 s, memory flat, no element too many or too few`, async ({ annotate }) => {
    await using lab = await Lab.create()
    const child = lab.spawn('node', 'churn.ts', [String(seconds), String(rate)])
    const report = JSON.parse(await text(child.stdout!)) as ChurnReport
    await annotate(JSON.stringify(report))
    expect(report.changes).toBeGreaterThan(0.9 * seconds * rate)
    expect(report.lagMs.p99).toBeLessThan(1000)
    expect(report.repairs).toBe(0)
    const { before, after } = report.rss
    // What is garbage of the start is not flat in seconds.
    if (seconds >= 60) expect(after / before).toBeLessThan(1.1)
    const fake = new FakeNft()
    await using _run = await running(clusterAfter(report.changes), { nft: fake })
    expect(diffTable(lab.nft.read('inet', tables.proxy), fake.table('inet', tables.proxy)!).text).toBe('')
  }, 120_000 + seconds * 1500)
})

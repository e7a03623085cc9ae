import { skippable } from '@weft/daemon/testing'
import { describe, expect, it } from 'vitest'
import { probeCapabilities } from './capabilities.ts'
import { NetlinkSocket } from './socket.ts'
import { TestNamespace, hasPrograms, whyNoKernelTests } from './testing/index.ts'
import { chainTypePresent, conntrackFilterPresent, expressionPresent, inetTablesPresent, linkKindPresent } from './capability-probes.ts'

const missing = whyNoKernelTests()

describe.skipIf(missing !== undefined)(skippable('probeCapabilities()', missing), () => {
  it('has an answer for every row when rights allow, and what was used by these tests is there', async () => {
    const found = new Map((await probeCapabilities()).map((capability) => [capability.name, capability]))
    expect([...found.values()].filter(({ present }) => present === undefined)).toEqual([])
    expect(['veth', 'bridge', 'vxlan', 'conntrack netlink'].map((name) => found.get(name)?.present)).toEqual([true, true, true, true])
    for (const { without, since } of found.values()) {
      expect(without).not.toBe('')
      expect(since).toMatch(/^\d+\.\d+$/)
    }
  })

  it('probes leave nothing behind and tell unknown names from known ones', async () => {
    await using ns = await TestNamespace.create()
    using netfilter = await NetlinkSocket.open('netfilter', { netns: ns.path })
    expect(['veth', 'bridge', 'vxlan', 'no-such-kind'].map((kind) => linkKindPresent(ns.route.socket, kind))).toEqual([true, true, true, false])
    expect(inetTablesPresent(netfilter)).toBe(true)
    expect([expressionPresent(netfilter, 'notrack'), expressionPresent(netfilter, 'no-such')]).toEqual([true, false])
    expect([chainTypePresent(netfilter, 'route'), chainTypePresent(netfilter, 'no-such')]).toEqual([true, false])
    expect(conntrackFilterPresent(netfilter)).toBe(true)
    if (hasPrograms('nft')) expect(ns.exec('nft', ['list', 'ruleset'])).toBe('')
    expect(ns.route.links()).toMatchObject([{ name: 'lo' }])
  })
})

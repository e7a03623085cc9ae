import { realClock } from '@weft/daemon'
import { collectingLogger, skippable } from '@weft/daemon/testing'
import { Conntrack, packetLog, packetLogPresent } from '@weft/netlink'
import { whyNoKernelTests } from '@weft/netlink/testing'
import { NftSocket } from '@weft/nftables'
import { describe, expect, test } from 'vitest'
import { namespace, networkPolicy, nodeName, pod, storesOf } from '../test/cluster.ts'
import { createPodNet } from '../test/pod-net.ts'
import { runPolicy } from '../test/running.ts'

const reason = whyNoKernelTests() ?? (await packetLogPresent() ? undefined : 'the kernel has no nfnetlink_log')
const noted = (object: object, annotations: Readonly<Record<string, string>>): object => ({ ...object, metadata: { ...(object as { readonly metadata: object }).metadata, annotations } })

describe.skipIf(reason !== undefined)(skippable('policies that tell', reason), () => {
  test('what is denied and what would be is logged with names, and counted; what is in audit mode passes', async () => {
    await using net = await createPodNet([80, 81])
    using nft = await NftSocket.open({ netns: net.node.path })
    using flows = await Conntrack.open({ netns: net.node.path })
    const logger = collectingLogger()
    const only80 = { ingress: [{ ports: [{ port: 80 }] }] }
    await using running = runPolicy({
      stores: storesOf([
        namespace('x'), namespace('y'), pod('x/a', { ips: net.a.ips }), pod('y/b', { ips: net.b.ips }),
        noted(networkPolicy('y/in', only80), { 'weft.dev/log': 'all' }), noted(networkPolicy('x/in', only80), { 'weft.dev/audit': 'true' }),
      ]),
      nft, podsOfNode: nodeName, flows, time: realClock, logger, packetLog: (options) => packetLog({ ...options, netns: net.node.path }),
    })
    await running.settled()
    expect(await net.a.reaches(net.b.ips[0], 80)).toBe(true)
    expect(await net.a.reaches(net.b.ips[1], 81)).toBe(false)
    expect(await net.b.reaches(net.a.ips[0], 81)).toBe(true)
    const lines = (): readonly unknown[] => logger.lines.filter(({ message }) => message.endsWith(' a connection')).map(({ message, fields }) => [message, fields['policies'], fields['rule'], fields['from'], fields['to'], fields['destination'], fields['port']])
    await expect.poll(lines, { timeout: 5000 }).toEqual(expect.arrayContaining([
      ['policy allowed a connection', ['y/in'], 'ingress[0]', 'x/a', 'y/b', net.b.ips[0], 80],
      ['policy denied a connection', ['y/in'], undefined, 'x/a', 'y/b', net.b.ips[1], 81],
      ['policy would deny a connection', ['x/in'], undefined, 'y/b', 'x/a', net.a.ips[0], 81],
    ]))
    // Rules count, and the dump shows what the kernel counted.
    expect(running.policy.dump()).toMatch(/counter packets [1-9]\d* bytes \d+ goto tell-in-\w+ comment "y\/in ingress\[0\]"/)
    expect(running.policy.dump()).toMatch(/counter packets [1-9]\d* bytes \d+ goto tell-in-\w+\n/)
  })

  test('weft.dev/counters: what each rule matched is a metric, whatever the family, and others have none', async () => {
    await using net = await createPodNet([80, 81])
    using nft = await NftSocket.open({ netns: net.node.path })
    using flows = await Conntrack.open({ netns: net.node.path })
    const rule = (port: number): object => ({ from: [{ podSelector: { matchLabels: { app: 'a' } } }], ports: [{ port }] })
    const counted = noted(networkPolicy('x/counted', { podSelector: { matchLabels: { app: 'b' } }, ingress: [rule(80), rule(81), rule(82)] }), { 'weft.dev/counters': 'true' })
    await using running = runPolicy({ stores: storesOf([namespace('x'), pod('x/a', { ips: net.a.ips, labels: { app: 'a' } }), pod('x/b', { ips: net.b.ips, labels: { app: 'b' } }), counted, networkPolicy('x/other', { podSelector: { matchLabels: { app: 'a' } }, ingress: [rule(80)] })]), nft, podsOfNode: nodeName, flows })
    await running.settled()
    for (const ip of net.b.ips) expect(await net.a.reaches(ip, 80)).toBe(true)
    expect(await net.a.reaches(net.b.ips[0], 81)).toBe(true)
    const text = (await running.registry.metrics()).split('\n').filter((line) => line.startsWith('weft_policy_rule_matches_total{'))
    expect(text).toEqual([0, 1, 2].map((index) => `weft_policy_rule_matches_total{policy="x/counted",rule="ingress[${index}]"} ${2 - index}`))
  })
})

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
})

import { once } from 'node:events'
import { realClock } from '@weft/daemon'
import { silentLogger, skippable } from '@weft/daemon/testing'
import { parseIp } from '@weft/ip'
import { type ConntrackEntry, readSysctls, writeSysctls } from '@weft/netlink'
import { whyNoKernelTests } from '@weft/netlink/testing'
import { describe, expect, test } from 'vitest'
import { node, service, slice } from '../test/cluster.ts'
import { Lab } from '../test/lab.ts'
import { running } from '../test/running.ts'
import { proxyConfigSchema } from './config.ts'
import { tuneConntrack } from './conntrack-settings.ts'

const reason = whyNoKernelTests()
/** TCP_CONNTRACK_CLOSE_WAIT of the kernel. */
const closeWait = 5

describe.skipIf(reason !== undefined)(skippable("conntrack's settings", reason), () => {
  test('SVC-27 a connection through a Service that one side closed is remembered for an hour', async () => {
    await using lab = await Lab.create()
    await lab.serve('b1', 'b1', ['tcp|10.244.0.5|8080'])
    await using run = await running([node('here'), service('shop/web', ['10.96.0.1']), slice('shop/web', [{ ip: '10.244.0.5', node: 'here' }])], { nft: lab.nft, flows: lab.flows })
    const { path } = lab.node
    const timeouts = ['net.netfilter.nf_conntrack_tcp_timeout_close_wait', 'net.netfilter.nf_conntrack_tcp_timeout_established']
    await writeSysctls(path, Object.fromEntries(timeouts.map((name) => [name, '60'])))
    const sysctls = { read: (names: readonly string[]) => readSysctls(path, names), write: (values: Readonly<Record<string, string>>) => writeSysctls(path, values) }
    // The size of the table is the first namespace's to say.
    await tuneConntrack({ config: proxyConfigSchema.parse({}).conntrack, cores: 1, sysctls, proxy: run.proxy, logger: silentLogger }, new AbortController().signal)
    expect(Object.values(await readSysctls(path, timeouts))).toEqual(['3600', '86400'])
    await once(lab.spawn('client', 'half-close.ts', ['10.96.0.1', '80']).stdout!, 'data')
    const find = (): ConntrackEntry | undefined => lab.flows.entries({ protocol: 6, origDst: parseIp('10.96.0.1') })[0]
    // The client's kernel takes its time to say that it heard the end.
    for (let turn = 0; turn < 100 && find()?.tcpState !== closeWait; turn += 1) await realClock.sleep(10)
    const flow = find()
    expect(flow).toMatchObject({ tcpState: closeWait })
    expect(Math.abs(flow!.timeoutSeconds - 3600)).toBeLessThan(60)
  })
})

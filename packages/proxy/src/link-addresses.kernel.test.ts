import { realClock } from '@weft/daemon'
import { silentLogger, skippable } from '@weft/daemon/testing'
import { formatIp, parseIp } from '@weft/ip'
import { whyNoKernelTests } from '@weft/netlink/testing'
import { describe, expect, test } from 'vitest'
import { node, service, slice } from '../test/cluster.ts'
import { Lab } from '../test/lab.ts'
import { running } from '../test/running.ts'
import { LinkAddresses } from './link-addresses.ts'

const reason = whyNoKernelTests()

describe.skipIf(reason !== undefined)(skippable('addresses on links', reason), () => {
  test('SVC-70 with nodePortAddresses 0.0.0.0/0 and ::/0 NodePorts answer on every address that the node has, also a new one, and on no loopback address', async () => {
    await using lab = await Lab.create()
    const { route, path } = lab.node
    await lab.serve('b1', 'b1', ['tcp|10.244.0.5|8080', 'tcp|fd00:10:244::5|8080'])
    const local = new LinkAddresses({ route, netns: path, clock: realClock, logger: silentLogger })
    const stopping = new AbortController()
    const following = local.run(stopping.signal)
    await using run = await running([
      node('here'), service('shop/web', ['10.96.0.1', 'fd00:10:96::1'], { type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] }),
      slice('shop/web', [{ ip: '10.244.0.5', node: 'here' }]), slice('shop/web', [{ ip: 'fd00:10:244::5', node: 'here' }], { suffix: '6' }),
    ], { nft: lab.nft, flows: lab.flows, config: { nodePortAddresses: ['0.0.0.0/0', '::/0'] }, deps: { local } })
    const ask = (from: 'outside' | 'client' | 'node', host: string): readonly string[] => lab.ask(from, { protocol: 'tcp', host, port: 30_080 })
    expect(ask('outside', '172.30.1.11')).toEqual(['b1 172.30.1.11'])
    expect(ask('client', '10.244.0.8')).toEqual(['b1 172.30.1.11'])
    expect(ask('client', 'fd00:10:244::8')).toEqual(['b1 fd00:172:30:1::11'])
    expect([ask('node', '127.0.0.1'), ask('node', '::1')]).toEqual([['ECONNREFUSED'], ['ECONNREFUSED']])
    expect(ask('outside', '172.30.1.77')).toEqual(['ETIMEDOUT'])
    const ifIndex = route.addresses().find(({ address }) => formatIp(address) === '172.30.1.11')!.ifIndex
    route.addAddress({ ifIndex, address: parseIp('172.30.1.77'), prefix: 24 })
    for (let turn = 0; turn < 100 && !local.values().some((ip) => formatIp(ip) === '172.30.1.77'); turn += 1) await realClock.sleep(10)
    await run.proxy.settled()
    expect(ask('outside', '172.30.1.77')).toEqual(['b1 172.30.1.11'])
    route.deleteAddress({ ifIndex, address: parseIp('172.30.1.77'), prefix: 24 })
    for (let turn = 0; turn < 100 && local.values().some((ip) => formatIp(ip) === '172.30.1.77'); turn += 1) await realClock.sleep(10)
    await run.proxy.settled()
    expect(run.proxy.dump()).not.toContain('172.30.1.77')
    stopping.abort()
    await following
  })
})

import { text } from 'node:stream/consumers'
import { tables } from '@weft/api'
import { silentLogger, skippable } from '@weft/daemon/testing'
import { whyNoKernelTests, whyNoPrograms } from '@weft/netlink/testing'
import { baseChain, chain, diffTable, dnat, eq, goTo, ip, jump, map, rule, type Table, table, tcp, Transaction } from '@weft/nftables'
import { describe, expect, test } from 'vitest'
import { node, nodeName, service, slice, storesOf } from '../test/cluster.ts'
import { Lab } from '../test/lab.ts'
import { running } from '../test/running.ts'
import { compileProxy } from './compile.ts'
import { proxyConfigSchema } from './config.ts'
import { reportLeftovers, takeOver, tellLeftovers } from './takeover.ts'
import { watchNode } from './watch-node.ts'
import { watchService } from './watch.ts'

const reason = whyNoKernelTests()
const noIptables = reason ?? whyNoPrograms('iptables-nft', 'iptables-nft-restore', 'iptables-nft-save')

const config = proxyConfigSchema.parse({})
const objects = [node('here'), service('shop/web', ['10.96.0.1']), slice('shop/web', [{ ip: '10.244.0.5', node: 'here' }])]

/** What kube-proxy's nftables mode leaves when it is stopped: it still serves what it knew. */
const kubeProxy = table({
  family: 'ip', name: 'kube-proxy',
  chains: [
    chain('service-web', [rule(eq(tcp.dport, 80), dnat({ family: 'ip', to: '10.244.0.5', port: 8080 }))]), chain('services', [rule(eq(ip.daddr, '10.96.0.1'), goTo('service-web'))]),
    baseChain('nat-prerouting', { type: 'nat', hook: 'prerouting', priority: -100 }, [rule(jump('services'))]),
  ],
})

/** And its iptables mode, beside rules of the kubelet and of somebody else. */
const restore = `*nat
:KUBE-SERVICES - [0:0]
:KUBE-SVC-WEB - [0:0]
:KUBE-SEP-WEB - [0:0]
:KUBE-MARK-MASQ - [0:0]
:KUBE-KUBELET-CANARY - [0:0]
:MINE - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -p tcp --dport 9999 -j MINE
-A KUBE-SERVICES -d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-WEB
-A KUBE-SVC-WEB -j KUBE-SEP-WEB
-A KUBE-SEP-WEB -s 10.244.0.5/32 -j KUBE-MARK-MASQ
-A KUBE-SEP-WEB -p tcp -m tcp -j DNAT --to-destination 10.244.0.5:8080
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A MINE -j ACCEPT
COMMIT
`

/** New connections one after the other while something happens; how they went. */
async function meanwhile(lab: Lab, count: number, work: () => Promise<void>): Promise<readonly string[]> {
  const child = lab.spawn('client', 'ask.ts', [JSON.stringify({ protocol: 'tcp', host: '10.96.0.1', port: 80, count })])
  const answers = text(child.stdout!)
  await work()
  return JSON.parse(await answers) as readonly string[]
}

describe.skipIf(reason !== undefined)(skippable('takeover', reason), () => {
  test.skipIf(noIptables !== undefined)(skippable('LIFE-8, LIFE-11 takes what kube-proxy left away, after ours, without a connection lost', noIptables), async () => {
    await using lab = await Lab.create()
    await lab.serve('b1', 'b1', ['tcp|10.244.0.5|8080'])
    lab.nft.commit(new Transaction(kubeProxy).addAll(kubeProxy))
    lab.node.exec('iptables-nft-restore', ['--noflush'], restore)
    const other = table({ family: 'inet', name: 'other', chains: [chain('KUBE-SERVICES', [])] })
    lab.nft.commit(new Transaction(other).addAll(other))
    const answers = await meanwhile(lab, 400, async () => {
      await using run = await running(objects, { nft: lab.nft, flows: lab.flows })
      const told: string[] = []
      const options = { nft: lab.nft, proxy: run.proxy }
      await reportLeftovers({ ...options, nodeName, logger: silentLogger, recorder: { record: ({ name }, _type, { reason: why, message }) => void told.push(`${name} ${why} ${message}`) } }, new AbortController().signal)
      expect(told).toEqual([expect.stringMatching(/^here KubeProxyLeftovers .*table ip kube-proxy; table ip nat of iptables: 4 chains/)])
      expect(await tellLeftovers(options)).toMatch(/^kube-proxy left here:\n {2}table ip kube-proxy\n/)
      expect(lab.nft.graph('ip', 'kube-proxy')).toBeDefined()
      expect(await takeOver(options)).toMatch(/^removed:\n {2}table ip kube-proxy\n {2}table ip nat of iptables: 4 chains/)
      expect(await tellLeftovers(options)).toBe('kube-proxy left nothing here\n')
    })
    expect(new Set(answers)).toEqual(new Set(['b1 10.244.0.9']))
    const rest = lab.node.exec('iptables-nft-save', ['-t', 'nat'])
    expect(rest.match(/^(?::KUBE|-A).*$/gm)?.map((line) => line.replace(/ \[.*/, ''))).toEqual([':KUBE-KUBELET-CANARY -', '-A PREROUTING -p tcp -m tcp --dport 9999 -j MINE', '-A MINE -j ACCEPT'])
    expect(lab.nft.graph('inet', 'other')).toEqual({ chains: ['KUBE-SERVICES'], jumps: [] })
    expect(lab.ask('client', { protocol: 'tcp', host: '10.96.0.1', port: 80 })).toEqual(['b1 10.244.0.9'])
  })

  test('SVC-50, LIFE-3 a start over the table of an older layout replaces it without a connection lost', async () => {
    await using lab = await Lab.create()
    await lab.serve('b1', 'b1', ['tcp|10.244.0.5|8080'])
    const stores = storesOf(objects)
    const context = { nodeName, node: watchNode(nodeName, { nodes: stores.nodes.values(), blocks: [], serviceCidrs: [] }, config)!, config, useLocalDns: true }
    const wanted = compileProxy(context.node, [...stores.services.values()].flatMap((each) => watchService(each, [...stores.slices.values()], context) ?? []))
    const old: Table = {
      ...wanted, sets: wanted.sets.filter(({ name }) => name !== 'layout'),
      maps: wanted.maps.map((each) => (each.name === 'pick4' ? map('pick4', { key: ['classid'], data: 'verdict', size: 64, elements: each.elements }) : each)), chains: [...wanted.chains, chain('gone', [])],
    }
    await (await running(objects, { nft: lab.nft, flows: lab.flows }))[Symbol.asyncDispose]()
    const answers = await meanwhile(lab, 600, async () => {
      for (let turn = 0; turn < 25; turn += 1) {
        // From this layout to an older one and back: no version, a map of another type that rules name, and a chain more.
        lab.nft.commit(diffTable(lab.nft.read('inet', tables.proxy), old))
        await using now = await running(objects, { nft: lab.nft, flows: lab.flows })
        expect(now.proxy.writes).toBeGreaterThan(0)
        expect(diffTable(lab.nft.read('inet', tables.proxy), wanted).text).toBe('')
      }
    })
    expect(new Set(answers)).toEqual(new Set(['b1 10.244.0.9']))
  })
})

import { createRegistry } from '@weft/daemon'
import { ManualClock, silentLogger } from '@weft/daemon/testing'
import { FakeNft } from '@weft/nftables/testing'
import { describe, expect, test, vi } from 'vitest'
import { node, nodeName, service, slice, storesOf } from '../test/cluster.ts'
import { noFlows, type Running, running } from '../test/running.ts'
import { proxyConfigSchema } from './config.ts'
import { createProxy } from './proxy.ts'

const objects = [
  node('here'),
  service('shop/web', ['10.96.0.1', 'fd00:10:96::1'], { type: 'NodePort', externalTrafficPolicy: 'Local', sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } }, ports: [{ name: 't', port: 80, nodePort: 30_080 }, { name: 's', port: 81, protocol: 'SCTP', nodePort: 30_081 }] }),
  slice('shop/web', [{ ip: '10.244.0.5', node: 'here' }], { ports: [{ name: 't', port: 8080 }, { name: 's', port: 8081, protocol: 'SCTP' }] }),
  service('shop/empty', ['10.96.0.2']),
  service('kube-system/kube-dns', ['10.96.0.10'], { ports: [{ name: 'dns', port: 53, protocol: 'UDP' }] }),
  slice('kube-system/kube-dns', [{ ip: '172.30.1.11', node: 'here' }], { ports: [{ name: 'dns', port: 10_053, protocol: 'UDP' }] }),
]

describe('fault 22 a kernel without', () => {
  async function onKernel(lacks: readonly string[], tracksSctp = true): Promise<{ readonly nft: FakeNft, readonly run: Running, readonly told: readonly string[] }> {
    const nft = new FakeNft({ lacks })
    const told: string[] = []
    const run = await running(objects, { nft, deps: { tracksSctp: async () => await Promise.resolve(tracksSctp), onLacking: (message) => void told.push(message) } })
    return { nft, run, told }
  }
  const ends = (nft: FakeNft, daddr: string, dport: number, protocol: 'tcp' | 'udp' = 'tcp'): string => {
    const { verdict, dnat, tracked, packet } = nft.trace({ saddr: '10.244.0.9', daddr, dport, protocol, sport: 4000, iif: 'eth0' }, { local: ['172.30.1.11'], random: () => 0 })
    return dnat !== undefined ? `to ${dnat.port}` : tracked ? verdict : `untracked to ${packet.dport}`
  }

  test('anything that is used: nothing is told', async () => {
    const { nft, run, told } = await onKernel([])
    await using _run = run
    expect([told, run.refused, ends(nft, '10.96.0.1', 80), ends(nft, '10.96.0.2', 80)]).toEqual([[], [], 'to 8080', 'reject'])
  })

  test.each([
    ['fib', 'fib', 'CONFIG_NFT_FIB_INET', 'Local policy'],
    ['reject', 'reject', 'CONFIG_NFT_REJECT_INET', 'dropped instead of refused'],
    ['notrack', 'notrack', 'CONFIG_NFT_CT', 'DNS Service is tracked'],
    ['dynset', '@affinity4 {', 'CONFIG_NF_TABLES', 'session affinity is not kept'],
  ])('%s serves all Services, and tells what is missing, what follows and what to do', async (expression, word, option, consequence) => {
    const { nft, run, told } = await onKernel([expression])
    await using _run = run
    expect(told).toEqual([expect.stringMatching(/^this kernel \(Linux .*\) has no .*: .*; .*run Linux \d+\.\d+ or newer with CONFIG_/)])
    expect([told[0], told[0]]).toEqual([expect.stringContaining(option), expect.stringContaining(consequence)])
    expect(run.lines).toContainEqual(expect.objectContaining({ level: 'warn', fields: { lacking: told[0] } }))
    expect([ends(nft, '10.96.0.1', 80), ends(nft, '10.96.0.2', 80), ends(nft, '10.96.0.10', 53, 'udp')]).toEqual(['to 8080', expression === 'reject' ? 'drop' : 'reject', expression === 'notrack' ? 'to 10053' : 'untracked to 10053'])
    expect(nft.text).not.toContain(word)
    expect(run.refused).toEqual([])
  })

  test('tracking of SCTP refuses SCTP ports, and no others', async () => {
    const { nft, run, told } = await onKernel([], false)
    await using _run = run
    expect(told).toEqual([expect.stringMatching(/tracking of SCTP: SCTP ports are not served; run Linux .* with CONFIG_NF_CT_PROTO_SCTP$/)])
    expect([run.refused, ends(nft, '10.96.0.1', 80)]).toEqual([['shop/web ERR_PROXY_KERNEL'], 'to 8080'])
    expect(run.proxy.dump()).not.toMatch(/sctp \. 81/)
  })

  test.each([['numgen', 'CONFIG_NFT_NUMGEN'], ['nat', 'CONFIG_NFT_NAT'], ['ct', 'CONFIG_NFT_CT']])('%s serves nothing, writes nothing, and is not ready for that reason, until there is one (fault 23)', async (expression, option) => {
    const nft = new FakeNft({ lacks: [expression] })
    const clock = new ManualClock()
    const proxy = createProxy({ ...storesOf(objects), config: proxyConfigSchema.parse({}), nodeName, nft, flows: noFlows, clock, logger: silentLogger, registry: createRegistry() })
    const stop = new AbortController()
    const done = proxy.run(stop.signal)
    await vi.waitFor(() => { expect(JSON.stringify(proxy.ready())).toMatch(new RegExp(`Cannot serve Services: this kernel \\(Linux .*${option}`)) })
    expect([proxy.ready().ready, nft.text, nft.commits]).toEqual([false, '', 0])
    stop.abort()
    await done
  })
})

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tables, toEndpointSlice, toService } from '@weft/api'
import { parseIp } from '@weft/ip'
import { FakeNft } from '@weft/nftables/testing'
import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { node, service, slice, storesOf } from '../test/cluster.ts'
import { running } from '../test/running.ts'

const folder = join(import.meta.dirname, '../test/golden')

describe('compileProxy()', () => {
  for (const name of readdirSync(folder)) {
    test(`gives test/golden/${name}/want.nft (GOLDEN=write rewrites it)`, async () => {
      const [settings, ...objects] = parseAllDocuments(readFileSync(join(folder, name, 'cluster.yaml'), 'utf8')).map((document) => document.toJS() as { readonly kind: string })
      const { kind: _, ...config } = settings!
      await using run = await running(storesOf(objects), { config })
      const text = run.proxy.dump()
      const file = join(folder, name, 'want.nft')
      if (process.env['GOLDEN'] === 'write' || !existsSync(file)) writeFileSync(file, text)
      expect(text).toBe(readFileSync(file, 'utf8'))
    })
  }

  test('an empty cluster has the whole frame', async () => {
    await using run = await running([{ kind: 'Node', metadata: { name: 'here' }, status: { addresses: [{ type: 'InternalIP', address: '172.30.1.11' }] } }])
    expect(run.proxy.dump()).toContain('chain checked')
  })

  test('SVC-15 hooks NAT where kube-proxy does, at -100 and 100; source ranges and refusals are there, too, in place of its filter chains', async () => {
    const nft = new FakeNft()
    await using _run = await running([node('here')], { nft })
    const bases = nft.table('inet', tables.proxy)!.chains.flatMap(({ name, base }) => (base === undefined ? [] : [`${name}: ${base.type} ${base.hook} ${base.priority} ${base.policy}`]))
    expect(bases).toEqual([
      'prerouting: nat prerouting -100 accept', 'output: nat output -100 accept',
      'invalid-forward: filter forward 0 accept', 'postrouting: nat postrouting 100 accept',
    ])
  })

  test('SVC-16 source ranges and refusals are for new connections: one that stands goes on when they change', async () => {
    const nft = new FakeNft()
    const balanced = (spec: object): object => service('shop/web', ['10.96.0.1'], { type: 'LoadBalancer', balancers: ['203.0.113.1'], ...spec })
    await using run = await running([node('here'), balanced({}), slice('shop/web', ['10.244.1.7'])], { nft })
    const client = { saddr: '172.30.1.99', sport: 40_000, dport: 80, iif: 'eth0' }
    const [byBalancer, byVip] = ['203.0.113.1', '10.96.0.1'].map((daddr) => ({ ...client, daddr }))
    const connections = [byBalancer!, byVip!].map((packet) => ({ packet, connection: nft.trace(packet).connection! }))
    expect(connections.map(({ connection }) => connection !== undefined)).toEqual([true, true])
    run.stores.services.put(toService(balanced({ loadBalancerSourceRanges: ['192.0.2.0/24'] })))
    run.stores.slices.put(toEndpointSlice(slice('shop/web', [])))
    await run.proxy.settled()
    expect([nft.trace(byBalancer!).verdict, nft.trace(byVip!).verdict]).toEqual(['drop', 'reject'])
    for (const { packet, connection } of connections) expect(nft.trace(packet, { connection })).toMatchObject({ verdict: 'accept', packet: { daddr: parseIp('10.244.1.7'), dport: 8080 } })
  })
})

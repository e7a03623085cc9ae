import { toNode, toPod } from '@weft/api'
import { FakeNft } from '@weft/nftables/testing'
import { describe, expect, test } from 'vitest'
import { namespace, node, nodeName, pod, storesOf } from '../test/cluster.ts'
import { reach, runPolicy } from '../test/running.ts'
import { readQuestion } from './explain/question.ts'

const [web, unknown, outside] = ['10.244.1.2', '10.244.1.77', '203.0.113.9'] as const
const here = (...podCidrs: readonly string[]): object => node(nodeName, ['172.30.1.11'], {}, podCidrs)
const world = [namespace('x'), pod('x/web', { ips: [web] }), pod('x/elsewhere', { ips: ['10.244.1.88'], node: 'node-2' }), node('node-2', ['172.30.1.12'], {}, ['10.244.2.0/24'])]

describe('addresses of the node that no pod has', () => {
  test('P4: are closed both ways until the API tells of their pod; those of other nodes are not ours', async () => {
    const nft = new FakeNft()
    await using running = runPolicy({ stores: storesOf([...world, here('10.244.1.0/24')]), nft, podsOfNode: nodeName, closesRanges: true })
    await running.settled()
    expect([reach(nft, unknown, outside), reach(nft, outside, unknown), reach(nft, web, outside), reach(nft, outside, '10.244.2.77')]).toEqual(['drop', 'drop', 'accept', 'accept'])
    running.stores.pods.put(toPod(pod('x/new', { ips: [unknown] })))
    await running.settled()
    expect([reach(nft, unknown, outside), reach(nft, outside, unknown)]).toEqual(['accept', 'accept'])
    running.stores.pods.remove('x/new')
    await running.settled()
    expect([reach(nft, unknown, outside), reach(nft, outside, unknown)]).toEqual(['drop', 'drop'])
  })

  test('P4, P6: stay closed when the Node goes, and follow its podCIDRs', async () => {
    const nft = new FakeNft()
    const stores = storesOf([...world, here('10.244.1.0/24', '10.244.7.0/24')])
    await using running = runPolicy({ stores, nft, podsOfNode: nodeName, closesRanges: true })
    await running.settled()
    stores.nodes.remove(nodeName)
    await running.settled()
    expect([reach(nft, outside, unknown), reach(nft, outside, '10.244.7.1')]).toEqual(['drop', 'drop'])
    stores.nodes.put(toNode(here('10.244.1.0/24', '10.244.8.0/24')))
    await running.settled()
    expect(['10.244.1.77', '10.244.7.1', '10.244.8.1'].map((ip) => reach(nft, outside, ip))).toEqual(['drop', 'accept', 'drop'])
  })

  test.each([[true, 'drop'], [undefined, 'accept']] as const)('explain says so where they are closed (%s): %s', async (closesRanges, verdict) => {
    const nft = new FakeNft()
    await using running = runPolicy({ stores: storesOf([...world, here('10.244.1.0/24')]), nft, podsOfNode: nodeName, closesRanges })
    await running.settled()
    // One that a pod of another node claims is as unknown here.
    for (const from of [unknown, '10.244.1.88']) {
      const { allowed, kernel } = running.policy.explain(readQuestion({ from, to: web, port: '80' }))
      expect([allowed, kernel?.allowed, kernel?.wanted, reach(nft, from, web)]).toEqual([verdict === 'accept', verdict === 'accept', verdict === 'accept', verdict])
    }
  })
})

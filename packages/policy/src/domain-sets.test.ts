import { parseFqdn } from '@weft/api'
import { parseIp } from '@weft/ip'
import { FakeNft } from '@weft/nftables/testing'
import { describe, expect, test } from 'vitest'
import { clusterPolicy, namespace, nodeName, pod, storesOf } from '../test/cluster.ts'
import { reach, runPolicy } from '../test/running.ts'

const a = '10.244.1.2'
const world = [namespace('x'), pod('x/a', { ips: [a] })]

describe('learn()', () => {
  const egress = [{ action: 'Accept', to: [{ domainNames: ['*.example.net', 'example.net'] }] }, { action: 'Deny', to: [{ networks: ['0.0.0.0/0'] }] }]
  const objects = [...world, clusterPolicy('names', { tier: 'Admin', priority: 5, egress })]
  const web = '198.51.100.7'
  const answer = [{ ip: parseIp(web), ttlSeconds: 30 }]

  test('CNP-9, CNP-16: an address is allowed once DNS gave it for a name, until its time and the grace are over', async () => {
    const nft = new FakeNft()
    await using running = runPolicy({ stores: storesOf(objects), nft, podsOfNode: nodeName })
    await running.settled()
    expect([running.policy.domains().toSorted(), reach(nft, a, web)]).toEqual([['*.example.net', 'example.net'], 'drop'])
    await running.policy.learn(parseFqdn('other.net'), answer)
    expect(reach(nft, a, web)).toBe('drop')
    await running.policy.learn(parseFqdn('www.eu.example.net'), answer)
    expect(reach(nft, a, web)).toBe('accept')
    await running.clock.advance(89_000)
    expect(reach(nft, a, web)).toBe('accept')
    await running.clock.advance(3000)
    await running.settled()
    expect(reach(nft, a, web)).toBe('drop')
  })

  test('CNP-16: both families, several names of one address, and only for whom a policy of that name selects', async () => {
    const nft = new FakeNft()
    const v6 = ['fd00:10:244:1::2', '2001:db8:113::7'] as const
    const six = clusterPolicy('six', { tier: 'Admin', priority: 5, egress: [{ action: 'Accept', to: [{ domainNames: ['example.org'] }], protocols: [{ tcp: { destinationPort: { number: 443 } } }] }, { action: 'Deny', to: [{ networks: ['::/0', '0.0.0.0/0'] }] }] })
    await using running = runPolicy({ stores: storesOf([namespace('x'), pod('x/a', { ips: [a, v6[0]] }), six]), nft, podsOfNode: nodeName })
    await running.settled()
    await running.policy.learn(parseFqdn('example.org'), [{ ip: parseIp(v6[1]), ttlSeconds: 30 }, { ip: parseIp(web), ttlSeconds: 30 }])
    await running.policy.learn(parseFqdn('other.example'), [{ ip: parseIp('198.51.100.8'), ttlSeconds: 30 }])
    expect([reach(nft, v6[0], v6[1], 443), reach(nft, v6[0], v6[1], 80), reach(nft, a, web, 443), reach(nft, a, '198.51.100.8', 443)]).toEqual(['accept', 'drop', 'accept', 'drop'])
  })

  test('CNP-16, P5: what was learnt outlives the agent, for the grace: how long DNS meant it the kernel does not tell', async () => {
    const nft = new FakeNft()
    {
      await using running = runPolicy({ stores: storesOf(objects), nft, podsOfNode: nodeName })
      await running.settled()
      await running.policy.learn(parseFqdn('example.net'), answer)
    }
    const { commits } = nft
    await using running = runPolicy({ stores: storesOf(objects), nft, podsOfNode: nodeName })
    await running.settled()
    expect([reach(nft, a, web), nft.commits - commits]).toEqual(['accept', 0])
    await running.clock.advance(59_000)
    expect(reach(nft, a, web)).toBe('accept')
    await running.clock.advance(3000)
    await running.settled()
    expect(reach(nft, a, web)).toBe('drop')
  })

  test.each([
    { rule: 'example.net', means: ['example.net'], meansNot: ['www.example.net', 'net.example', 'badexample.net'] },
    { rule: '*.example.net', means: ['www.example.net', 'a.b.example.net'], meansNot: ['example.net', 'badexample.net', 'www.example.net.evil'] },
  ])('CNP-9, CNP-16: $rule means $means and not $meansNot', async ({ rule, means, meansNot }) => {
    for (const [names, verdict] of [[means, 'accept'], [meansNot, 'drop']] as const) for (const name of names) {
      const nft = new FakeNft()
      const policy = clusterPolicy('names', { tier: 'Admin', priority: 5, egress: [{ action: 'Accept', to: [{ domainNames: [rule] }] }, { action: 'Deny', to: [{ networks: ['0.0.0.0/0'] }] }] })
      await using running = runPolicy({ stores: storesOf([...world, policy]), nft, podsOfNode: nodeName })
      await running.settled()
      await running.policy.learn(parseFqdn(name), answer)
      expect(reach(nft, a, web), name).toBe(verdict)
    }
  })

  test('CNP-16: the latest end counts, an answer that is known costs the kernel nothing, and an address ends in each family by itself', async () => {
    const nft = new FakeNft()
    const [six, webSix] = ['fd00:10:244:1::2', '2001:db8:113::7']
    await using running = runPolicy({ stores: storesOf([namespace('x'), pod('x/a', { ips: [a, six] }), clusterPolicy('names', { tier: 'Admin', priority: 5, egress: [egress[0]!, { action: 'Deny', to: [{ networks: ['0.0.0.0/0', '::/0'] }] }] })]), nft, podsOfNode: nodeName })
    await running.settled()
    const name = parseFqdn('example.net')
    await running.policy.learn(name, [{ ip: parseIp(web), ttlSeconds: 300 }, { ip: parseIp(webSix), ttlSeconds: 0 }])
    const { commits } = nft
    await running.policy.learn(name, answer)
    expect(nft.commits).toBe(commits)
    await running.clock.advance(62_000)
    await running.settled()
    expect([reach(nft, a, web), reach(nft, six, webSix)]).toEqual(['accept', 'drop'])
    await running.clock.advance(200_000)
    await running.settled()
    expect(reach(nft, a, web)).toBe('accept')
    await running.clock.advance(100_000)
    await running.settled()
    expect(reach(nft, a, web)).toBe('drop')
  })

  test('CNP-16: who asks for what somebody else has just asked waits for the kernel too', async () => {
    const nft = new FakeNft()
    await using running = runPolicy({ stores: storesOf(objects), nft, podsOfNode: nodeName })
    await running.settled()
    const commit = nft.commit.bind(nft)
    let refusals = 1
    nft.commit = (transaction) => {
      if (refusals-- > 0) throw new Error('not now')
      commit(transaction)
    }
    const names = ['example.net', 'example.net', 'www.example.net'].map(async (name) => {
      await running.policy.learn(parseFqdn(name), answer)
      return reach(nft, a, web)
    })
    await running.clock.advance(1000)
    expect(await Promise.all(names)).toEqual(['accept', 'accept', 'accept'])
  })
})

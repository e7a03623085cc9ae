import { parseFqdn, toNetworkPolicy, toPod } from '@weft/api'
import { parseIp } from '@weft/ip'
import { accept, rule, Transaction } from '@weft/nftables'
import { FakeNft } from '@weft/nftables/testing'
import { describe, expect, test } from 'vitest'
import { clusterPolicy, namespace, networkPolicy, nodeName, pod, storesOf } from '../test/cluster.ts'
import { attachment, type RunningPolicy, runPolicy } from '../test/running.ts'
import { flow, TestFlows } from '../test/test-flows.ts'

const [a, b, far, vip, outside] = ['10.244.1.2', '10.244.1.3', '10.244.2.9', '10.96.0.7', '203.0.113.9'] as const
const world = [namespace('x'), pod('x/a', { ips: [a], labels: { app: 'a' } }), pod('x/b', { ips: [b], labels: { app: 'b' } }), pod('x/far', { ips: [far], labels: { app: 'far' }, node: 'node-2' })]
const toA = networkPolicy('x/in', { podSelector: { matchLabels: { app: 'a' } }, ingress: [{ from: [{ podSelector: { matchLabels: { app: 'far' } } }] }] })

/** An engine at rest, and connections that it let pass: one between pods, one of another pod. */
async function atRest(objects: readonly object[], { nft = new FakeNft() } = {}): Promise<RunningPolicy & { readonly marks: TestFlows, look(): Promise<TestFlows['states']> }> {
  const marks = new TestFlows()
  const running = runPolicy({ stores: storesOf(objects), nft, podsOfNode: nodeName, flows: marks })
  await running.settled()
  await running.clock.advance(1000)
  marks.add('far to a', 'allowed', flow(far, a))
  marks.add('b to outside', 'allowed', flow(b, outside))
  return {
    ...running, marks,
    async look() {
      await running.settled()
      await running.clock.advance(250)
      return marks.states
    },
  }
}

describe('connections that are judged anew', () => {
  test('P5: all of them when an agent starts, though it writes nothing: an earlier one may have ended before its look', async () => {
    const nft = new FakeNft()
    {
      await using first = await atRest([...world, toA], { nft })
      expect(await first.look()).toEqual({ 'far to a': 'allowed', 'b to outside': 'allowed' })
    }
    const { commits } = nft
    const marks = new TestFlows()
    marks.add('far to a', 'allowed', flow(far, a))
    marks.add('of a pod that is gone', 'allowed', flow('10.244.1.77', outside))
    await using next = runPolicy({ stores: storesOf([...world, toA]), nft, podsOfNode: nodeName, flows: marks })
    await next.settled()
    await next.clock.advance(250)
    expect([marks.states, nft.commits]).toEqual([{ 'far to a': 'pending', 'of a pod that is gone': 'pending' }, commits])
  })

  test('NP-24: all of them when somebody else\'s edit is mended', async () => {
    await using net = await atRest([...world, toA])
    net.nft.commitForeign(new Transaction({ family: 'inet', name: 'weft-policy' }).addRule('forward', rule(accept)))
    net.policy.recheck()
    expect(await net.look()).toEqual({ 'far to a': 'pending', 'b to outside': 'pending' })
  })

  test('NP-16: those of pods that a policy selects, or selected', async () => {
    await using net = await atRest(world)
    net.stores.policies.put(toNetworkPolicy(toA))
    expect(await net.look()).toEqual({ 'far to a': 'pending', 'b to outside': 'allowed' })
    await net.clock.advance(1000)
    net.marks.write('far to a', 'allowed')
    net.stores.policies.remove('x/in')
    expect(await net.look()).toEqual({ 'far to a': 'pending', 'b to outside': 'allowed' })
  })

  test('NP-16: those of a pod that a rule means no more; one that a rule means from now on is at most allowed more', async () => {
    await using net = await atRest([...world, toA])
    net.stores.pods.put(toPod(pod('x/far', { ips: [far], node: 'node-2' })))
    expect(await net.look()).toEqual({ 'far to a': 'denied', 'b to outside': 'allowed' })
    await net.clock.advance(1000)
    net.marks.write('far to a', 'allowed')
    net.stores.pods.put(toPod(pod('x/far', { ips: [far], labels: { app: 'far' }, node: 'node-2' })))
    expect(await net.look()).toEqual({ 'far to a': 'allowed', 'b to outside': 'allowed' })
  })

  test('CNP-25: those of a pod that a rule of the cluster means from now on too, for it may deny', async () => {
    const noFar = clusterPolicy('no-far', { tier: 'Admin', priority: 1, ingress: [{ action: 'Deny', from: [{ pods: { namespaceSelector: {}, podSelector: { matchLabels: { evil: 'yes' } } } }] }] })
    await using net = await atRest([...world, noFar])
    net.stores.pods.put(toPod(pod('x/far', { ips: [far], labels: { app: 'far', evil: 'yes' }, node: 'node-2' })))
    expect(await net.look()).toEqual({ 'far to a': 'denied', 'b to outside': 'allowed' })
  })

  test('CNP-16: none when a domain name has other addresses: what was begun goes on', async () => {
    const names = clusterPolicy('names', { tier: 'Admin', priority: 1, egress: [{ action: 'Accept', to: [{ domainNames: ['example.net'] }] }, { action: 'Deny', to: [{ networks: ['0.0.0.0/0'] }] }] })
    await using net = await atRest([...world, names])
    await net.policy.learn(parseFqdn('example.net'), [{ ip: parseIp(outside), ttlSeconds: 1 }])
    expect(await net.look()).toEqual({ 'far to a': 'allowed', 'b to outside': 'allowed' })
    await net.clock.advance(70_000)
    expect(await net.look()).toEqual({ 'far to a': 'allowed', 'b to outside': 'allowed' })
  })

  test('NP-16: who says nothing is judged by where the connection ends, not by the Service that was asked', async () => {
    await using net = await atRest(world)
    net.marks.add('by a Service', 'allowed', flow(b, vip, a))
    net.stores.policies.put(toNetworkPolicy(networkPolicy('x/deny', { podSelector: { matchLabels: { app: 'a' } } })))
    expect(await net.look()).toEqual({ 'far to a': 'denied', 'b to outside': 'allowed', 'by a Service': 'denied' })
  })

  test('NP-18: those of a pod whose link is gone, before its addresses are somebody else\'s', async () => {
    const marks = new TestFlows()
    await using running = runPolicy({ stores: storesOf(world), nft: new FakeNft(), flows: marks })
    for (const [key, ip] of [['x/a', a], ['x/b', b]] as const) await running.policy.cover(attachment(key, [ip]), running.signal)
    await running.clock.advance(1000)
    marks.add('far to a', 'allowed', flow(far, a))
    // The next look is a while off.
    await running.policy.uncover(attachment('x/b', [b]))
    await running.policy.uncover(attachment('x/a', [a]))
    expect(marks.states).toEqual({ 'far to a': 'pending' })
  })
})

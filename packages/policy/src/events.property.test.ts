import { objectKey, parseFqdn, toClusterNetworkPolicy, toNamespace, toNetworkPolicy, toNode, toPod } from '@weft/api'
import { parseIp } from '@weft/ip'
import { diffTable, formatTable } from '@weft/nftables'
import { FakeNft } from '@weft/nftables/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clusterPolicyArbitrary, domainAnswers, namespaceArbitrary, nodeArbitrary, podArbitrary, policyArbitrary, tieredClusterArbitrary } from '../test/arbitraries.ts'
import { type ClusterStores, type KubeObject, namespace, networkPolicy, nodeName, pod, storesOf } from '../test/cluster.ts'
import { runPolicy, stateOf } from '../test/running.ts'

const isPresent = fc.oneof({ weight: 3, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) })
const step = fc.tuple(fc.oneof(podArbitrary, policyArbitrary, clusterPolicyArbitrary, namespaceArbitrary, nodeArbitrary), isPresent)

function apply(stores: ClusterStores, object: object, present: boolean): void {
  switch ((object as KubeObject).kind) {
    case 'Pod': return present ? stores.pods.put(toPod(object)) : stores.pods.remove(objectKey(toPod(object)))
    case 'NetworkPolicy': return present ? stores.policies.put(toNetworkPolicy(object)) : stores.policies.remove(objectKey(toNetworkPolicy(object)))
    case 'ClusterNetworkPolicy': return present ? stores.clusterPolicies[0].put(toClusterNetworkPolicy(object)) : stores.clusterPolicies[0].remove(objectKey(toClusterNetworkPolicy(object)))
    case 'Node': return present ? stores.nodes.put(toNode(object)) : stores.nodes.remove(objectKey(toNode(object)))
    default: return stores.namespaces.put(toNamespace(object))
  }
}

const identity = (object: object): string => `${(object as KubeObject).kind} ${(object as KubeObject).metadata.namespace} ${(object as KubeObject).metadata.name}`

describe('createPolicy()', () => {
  test('P7, P11, NP-15, CNP-15, CNP-25: any sequence of changes leads to the table of where it ends, by transactions of their own size', { timeout: 60_000 }, async () => {
    await fc.assert(fc.asyncProperty(tieredClusterArbitrary, fc.array(step, { maxLength: 25, size: 'max' }), fc.array(fc.nat(25), { maxLength: 6, size: 'max' }), async (start, steps, pauses) => {
      await using running = runPolicy({ stores: storesOf(start), nft: new FakeNft(), podsOfNode: nodeName })
      const final = new Map(start.map((object) => [identity(object), object]))
      // Loaded first, so that the changes are edits.
      await running.settled()
      for (const [index, [object, present]] of steps.entries()) {
        apply(running.stores, object, present)
        if (present || (object as KubeObject).kind === 'Namespace') final.set(identity(object), object)
        else final.delete(identity(object))
        if (pauses.includes(index)) await running.settled()
      }
      // A policy that is new asks for names that nobody has told it.
      for (const [name, ips] of Object.entries(domainAnswers)) await running.policy.learn(parseFqdn(name), ips.map((ip) => ({ ip: parseIp(ip), ttlSeconds: 1e6 })))
      await running.settled()
      const want = stateOf([...final.values()]).table()
      expect(running.policy.dump()).toBe(formatTable(want))
      expect(diffTable(running.nft.read('inet', 'weft-policy'), want).text).toBe('')
      // The same again, as a relist would tell it: nothing is written.
      const { commits } = running.nft
      for (const object of final.values()) apply(running.stores, { ...object, metadata: { ...(object as KubeObject).metadata, resourceVersion: '2' } }, true)
      running.policy.recheck()
      await running.settled()
      expect(running.nft.commits).toBe(commits)
    }), { numRuns: 60 })
  })

  test('P7, P11 policies that name the same blocks in another order share a set of which nothing tells whose came last', async () => {
    const blocks = ['10.0.0.0/8', '172.16.0.0/12'].map((cidr) => ({ ipBlock: { cidr } }))
    const [one, other] = [networkPolicy('x/one', { ingress: [{ from: blocks }] }), networkPolicy('x/other', { ingress: [{ from: blocks.toReversed() }] })]
    const world = [namespace('x'), pod('x/a', { ips: ['10.244.1.2'] })]
    const want = formatTable(stateOf([...world, one, other]).table())
    expect([...want.matchAll(/\tset net4-/g)]).toHaveLength(1)
    for (const [first, last] of [[one, other], [other, one]] as const) {
      await using running = runPolicy({ stores: storesOf([...world, first]), nft: new FakeNft(), podsOfNode: nodeName })
      await running.settled()
      apply(running.stores, last, true)
      await running.settled()
      expect(running.policy.dump()).toBe(want)
    }
  })
})

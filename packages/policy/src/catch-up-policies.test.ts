import { type ClusterNetworkPolicy, namespaceResource, networkPolicyResource, toNamespace, toNetworkPolicy } from '@weft/api'
import { ManualClock } from '@weft/daemon/testing'
import { Store } from '@weft/kube'
import { FakeApi, MemoryClient } from '@weft/kube/testing'
import { expect, test } from 'vitest'
import { namespace, networkPolicy } from '../test/cluster.ts'
import { catchUpPolicies } from './catch-up-policies.ts'

test('catchUpPolicies() waits for the policies of the namespace and for its labels, not for those of others, and tells how new that is', async () => {
  const api = new FakeApi()
  const client = new MemoryClient(api)
  const clock = new ManualClock()
  const [namespaces, policies] = [new Store<ReturnType<typeof toNamespace>>(), new Store<ReturnType<typeof toNetworkPolicy>>()]
  const none = (): Store<ClusterNetworkPolicy> => new Store()
  const put = (path: string, object: object): object => api.put(path, object as Parameters<FakeApi['put']>[1])
  const x = put(namespaceResource.path, namespace('x'))
  put(namespaceResource.path, namespace('y'))
  const own = put(networkPolicyResource.path, networkPolicy('x/own', {}))
  put(networkPolicyResource.path, networkPolicy('y/other', {}))
  let version: string | undefined
  void catchUpPolicies({ client, clock, namespaces, policies, clusterPolicies: [none(), none(), none()] })('x', new AbortController().signal).then((found) => { version = found })
  for (const step of [() => undefined, () => namespaces.put(toNamespace(x)), () => policies.put(toNetworkPolicy(own))]) {
    expect(version).toBeUndefined()
    step()
    await clock.advance(50)
  }
  expect(Number(version)).toBeGreaterThanOrEqual(4)
})

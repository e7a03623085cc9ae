import { type ClusterNetworkPolicy, type ClusterPolicyKind, type Node, toClusterNetworkPolicy, toNode } from '@weft/api'
import type { PolicyCluster } from '../src/evaluator/index.ts'
import { policyConfigSchema } from '../src/config.ts'
import { watchDns } from '../src/watch.ts'
import { type KubeObject, storesOf } from './cluster.ts'

const clusterKinds: readonly string[] = ['ClusterNetworkPolicy', 'AdminNetworkPolicy', 'BaselineAdminNetworkPolicy'] satisfies readonly ClusterPolicyKind[]

/** Objects as the evaluator wants them. */
export function clusterOf(objects: readonly object[]): PolicyCluster {
  const { pods, namespaces, policies, services, slices } = storesOf(objects)
  const { dnsService, dnsLabels } = policyConfigSchema.parse({})
  const of = <T>(isOne: (kind: string) => boolean, trim: (object: unknown, kind: string) => T): T[] =>
    objects.filter((object) => isOne((object as KubeObject).kind)).map((object) => trim(object, (object as KubeObject).kind))
  const clusterPolicies: ClusterNetworkPolicy[] = of((kind) => clusterKinds.includes(kind), (object, kind) => toClusterNetworkPolicy(object, kind as ClusterPolicyKind))
  const nodes: Node[] = of((kind) => kind === 'Node', toNode)
  return { pods: pods.values(), namespaces: namespaces.values(), policies: policies.values(), nodes, clusterPolicies, dns: watchDns(services.get(dnsService), [...slices.values()], dnsLabels) }
}

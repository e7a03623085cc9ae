import { adminNetworkPolicyResource, baselineAdminNetworkPolicyResource, type ClusterNetworkPolicy, clusterNetworkPolicyResource, type Namespace, namespaceResource, type NetworkPolicy, networkPolicyResource } from '@weft/api'
import type { Clock } from '@weft/daemon'
import { catchUp, collectionPath, compareResourceVersions, type KubeClient, type Store } from '@weft/kube'
import type { CatchUp } from './watch-lag.ts'

const clusterKinds = [clusterNetworkPolicyResource, adminNetworkPolicyResource, baselineAdminNetworkPolicyResource]

export interface CatchUpPoliciesDeps {
  readonly client: KubeClient
  readonly clock: Clock
  readonly namespaces: Store<Namespace>
  readonly policies: Store<NetworkPolicy>
  /** Of ClusterNetworkPolicies, AdminNetworkPolicies and BaselineAdminNetworkPolicies. */
  readonly clusterPolicies: readonly [Store<ClusterNetworkPolicy>, Store<ClusterNetworkPolicy>, Store<ClusterNetworkPolicy>]
}

/** Asks the API server for what decides which policies the pods of a namespace have, and waits until the stores have it. */
export function catchUpPolicies({ client, clock, namespaces, policies, clusterPolicies }: CatchUpPoliciesDeps): CatchUp {
  return async (namespace, signal) => {
    const common = { clock, signal }
    const versions = await Promise.all([
      catchUp(client, namespaceResource, namespaces, { ...common, fieldSelector: `metadata.name=${namespace}` }),
      catchUp(client, networkPolicyResource, policies, { ...common, path: collectionPath(networkPolicyResource.path, namespace) }),
      ...clusterKinds.map((resource, index) => catchUp(client, { ...resource, optional: true }, clusterPolicies[index]!, common)),
    ])
    return versions.filter((each) => each !== undefined).reduce((least, each) => (compareResourceVersions(each, least) === -1 ? each : least))
  }
}

import { adminNetworkPolicyResource, baselineAdminNetworkPolicyResource, type ClusterNetworkPolicy, clusterNetworkPolicyResource, type EndpointSlice, endpointSliceResource, type IpBlock, ipBlockResource, type Namespace, namespaceResource, type NetworkPolicy, networkPolicyResource, type Node, nodeResource, type Pod, podResource, type Service, serviceResource } from '@weft/api'
import { Informers, type InformersOptions, type Store } from '@weft/kube'
import { type CatchUp, catchUpPolicies } from '@weft/policy'
import { type ServiceCidr, serviceCidrResource } from '@weft/proxy'

/** What the API server has, as the features see it: one store a kind, shared by all that need it. */
export interface Stores {
  readonly nodes: Store<Node>
  readonly pods: Store<Pod>
  readonly namespaces: Store<Namespace>
  readonly services: Store<Service>
  readonly slices: Store<EndpointSlice>
  readonly policies: Store<NetworkPolicy>
  /** Of each kind that means the whole cluster; empty where its CRD is not installed. */
  readonly clusterPolicies: readonly Store<ClusterNetworkPolicy>[]
  /** Absent where addresses never come out of blocks. */
  readonly blocks: Store<IpBlock> | undefined
  readonly serviceCidrs: Store<ServiceCidr>
  /** Where a watch may be behind another. */
  readonly catchUp: CatchUp
  /** What keeps them from following the API server, each reason once. */
  troubles(): readonly string[]
  /** Keeps all of them until aborted. */
  run(signal: AbortSignal): Promise<void>
}

interface StoreOptions extends InformersOptions {
  readonly withBlocks: boolean
}

export function createStores({ withBlocks, ...options }: StoreOptions): Stores {
  const informers = new Informers(options)
  const { client, clock } = options
  const namespaces = informers.keep(namespaceResource)
  const policies = informers.keep(networkPolicyResource)
  const clusterPolicies = [informers.keep(clusterNetworkPolicyResource), informers.keep(adminNetworkPolicyResource), informers.keep(baselineAdminNetworkPolicyResource)] as const
  return {
    nodes: informers.keep(nodeResource),
    pods: informers.keep(podResource),
    namespaces,
    services: informers.keep(serviceResource),
    slices: informers.keep(endpointSliceResource),
    policies,
    clusterPolicies,
    serviceCidrs: informers.keep(serviceCidrResource),
    // Clusters that assign podCIDRs may not have the CRD at all.
    blocks: withBlocks ? informers.keep({ ...ipBlockResource, optional: true }) : undefined,
    catchUp: catchUpPolicies({ client, clock, namespaces, policies, clusterPolicies }),
    troubles: () => informers.troubles(),
    run: (signal) => informers.run(signal),
  }
}

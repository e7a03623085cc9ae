import { adminNetworkPolicyResource, baselineAdminNetworkPolicyResource, type ClusterNetworkPolicy, clusterNetworkPolicyResource, type EndpointSlice, endpointSliceResource, type IpBlock, ipBlockResource, type Namespace, namespaceResource, type NetworkPolicy, networkPolicyResource, type Node, nodeResource, type Pod, podResource, type Service, serviceResource } from '@weft/api'
import { catchUp, collectionPath, compareResourceVersions, Informers, type InformersOptions, type Store } from '@weft/kube'
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
  /** Resolves when what decides which policies a namespace's pods have is here as the API server had it at a version, or has it now; to the version that it had then. */
  catchUp(namespace: string, version: string | undefined, signal: AbortSignal): Promise<string>
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
  const clusterKinds = [
    { resource: clusterNetworkPolicyResource, store: informers.keep(clusterNetworkPolicyResource) },
    { resource: adminNetworkPolicyResource, store: informers.keep(adminNetworkPolicyResource) },
    { resource: baselineAdminNetworkPolicyResource, store: informers.keep(baselineAdminNetworkPolicyResource) },
  ]
  return {
    nodes: informers.keep(nodeResource),
    pods: informers.keep(podResource),
    namespaces,
    services: informers.keep(serviceResource),
    slices: informers.keep(endpointSliceResource),
    policies,
    clusterPolicies: clusterKinds.map(({ store }) => store),
    serviceCidrs: informers.keep(serviceCidrResource),
    // Clusters that assign podCIDRs may not have the CRD at all.
    blocks: withBlocks ? informers.keep({ ...ipBlockResource, optional: true }) : undefined,
    async catchUp(namespace, version, signal) {
      const common = { version, clock, signal }
      const versions = await Promise.all([
        catchUp(client, namespaceResource, namespaces, { ...common, fieldSelector: `metadata.name=${namespace}` }),
        catchUp(client, networkPolicyResource, policies, { ...common, path: collectionPath(networkPolicyResource.path, namespace) }),
        ...clusterKinds.map(({ resource, store }) => catchUp(client, { ...resource, optional: true }, store, common)),
      ])
      return versions.filter((each) => each !== undefined).reduce((least, each) => (compareResourceVersions(each, least) === -1 ? each : least))
    },
    run: (signal) => informers.run(signal),
  }
}

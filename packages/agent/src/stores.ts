import { adminNetworkPolicyResource, baselineAdminNetworkPolicyResource, type ClusterNetworkPolicy, clusterNetworkPolicyResource, type EndpointSlice, endpointSliceResource, type IpBlock, ipBlockResource, type Namespace, namespaceResource, type NetworkPolicy, networkPolicyResource, type Node, nodeResource, type Pod, podResource, type Service, serviceResource } from '@weft/api'
import type { Clock, Logger, Registry } from '@weft/daemon'
import { createKubeMetrics, type EventRecorder, type KubeClient, reflect, type Resource, Store, type StoredObject, targetOf } from '@weft/kube'
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
  /** Keeps all of them until aborted. */
  run(signal: AbortSignal): Promise<void>
}

interface StoreOptions {
  readonly client: KubeClient
  readonly withBlocks: boolean
  readonly clock: Clock
  readonly logger: Logger
  readonly registry: Registry
  /** Tells the owner of a refused object, on the object itself. */
  readonly recorder: EventRecorder
}

export function createStores({ client, withBlocks, clock, logger, registry, recorder }: StoreOptions): Stores {
  const metrics = createKubeMetrics(registry)
  const loops: ((signal: AbortSignal) => Promise<void>)[] = []
  function keep<T extends StoredObject>(resource: Resource<T>, kind: string, apiVersion = 'v1', options: { readonly optional?: boolean } = {}): Store<T> {
    const store = new Store<T>()
    loops.push((signal) => reflect(client, { ...resource, ...options }, store, {
      clock,
      logger,
      signal,
      metrics,
      // Refused by itself, the rest goes on (promise P10).
      onRefused: (object, error) => recorder.record(targetOf(object, { apiVersion, kind }), 'Warning', { reason: 'Refused', message: error instanceof Error ? error.message : String(error) }),
    }))
    return store
  }
  return {
    nodes: keep(nodeResource, 'Node'),
    pods: keep(podResource, 'Pod'),
    namespaces: keep(namespaceResource, 'Namespace'),
    services: keep(serviceResource, 'Service'),
    slices: keep(endpointSliceResource, 'EndpointSlice', 'discovery.k8s.io/v1'),
    policies: keep(networkPolicyResource, 'NetworkPolicy', 'networking.k8s.io/v1'),
    clusterPolicies: [
      keep(clusterNetworkPolicyResource, clusterNetworkPolicyResource.kind, clusterNetworkPolicyResource.apiVersion, { optional: true }),
      keep(adminNetworkPolicyResource, adminNetworkPolicyResource.kind, adminNetworkPolicyResource.apiVersion, { optional: true }),
      keep(baselineAdminNetworkPolicyResource, baselineAdminNetworkPolicyResource.kind, baselineAdminNetworkPolicyResource.apiVersion, { optional: true }),
    ],
    // Kubernetes has them since 1.33.
    serviceCidrs: keep(serviceCidrResource, 'ServiceCIDR', 'networking.k8s.io/v1', { optional: true }),
    // Clusters that assign podCIDRs may not have the CRD at all.
    blocks: withBlocks ? keep(ipBlockResource, ipBlockResource.kind, ipBlockResource.apiVersion, { optional: true }) : undefined,
    run: async (signal) => void await Promise.all(loops.map((loop) => loop(signal))),
  }
}

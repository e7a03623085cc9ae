import { type EndpointSlice, endpointSliceResource, type IpBlock, ipBlockResource, type Namespace, namespaceResource, type NetworkPolicy, networkPolicyResource, type Node, nodeResource, type ObjectResource, type Pod, podResource, type Service, serviceResource } from '@weft/api'
import type { Clock, Logger, Registry } from '@weft/daemon'
import { createKubeMetrics, type EventRecorder, type KubeClient, reflect, Store, type StoredObject, targetOf } from '@weft/kube'

/** What the API server has, as the features see it: one store a kind, shared by all that need it. */
export interface Stores {
  readonly nodes: Store<Node>
  readonly pods: Store<Pod>
  readonly namespaces: Store<Namespace>
  readonly services: Store<Service>
  readonly slices: Store<EndpointSlice>
  readonly policies: Store<NetworkPolicy>
  /** Only where address blocks are in use. */
  readonly blocks: Store<IpBlock> | undefined
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
  function keep<T extends StoredObject>(resource: ObjectResource<T>, kind: string, apiVersion = 'v1'): Store<T> {
    const store = new Store<T>()
    loops.push((signal) => reflect(client, resource, store, {
      clock,
      logger: logger.child({ resource: resource.name }),
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
    blocks: withBlocks ? keep(ipBlockResource, ipBlockResource.kind, ipBlockResource.apiVersion) : undefined,
    run: async (signal) => void await Promise.all(loops.map((loop) => loop(signal))),
  }
}

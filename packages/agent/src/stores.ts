import { type EndpointSlice, endpointSliceResource, type IpBlock, ipBlockResource, type Namespace, namespaceResource, type NetworkPolicy, networkPolicyResource, type Node, nodeResource, type ObjectResource, type Pod, podResource, type Service, serviceResource } from '@weft/api'
import type { Clock, Logger } from '@weft/daemon'
import { type KubeClient, reflect, Store, type StoredObject } from '@weft/kube'

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
}

export function createStores({ client, withBlocks, clock, logger }: StoreOptions): Stores {
  const loops: ((signal: AbortSignal) => Promise<void>)[] = []
  function keep<T extends StoredObject>(resource: ObjectResource<T>): Store<T> {
    const store = new Store<T>()
    loops.push((signal) => reflect(client, resource, store, {
      clock,
      logger: logger.child({ resource: resource.name }),
      signal,
      // Refused by itself, the rest goes on; the reflector has counted it.
      onRefused: (_object, error) => logger.warn({ resource: resource.name, reason: error instanceof Error ? error.message : String(error) }, 'object refused'),
    }))
    return store
  }
  return {
    nodes: keep(nodeResource),
    pods: keep(podResource),
    namespaces: keep(namespaceResource),
    services: keep(serviceResource),
    slices: keep(endpointSliceResource),
    policies: keep(networkPolicyResource),
    blocks: withBlocks ? keep(ipBlockResource) : undefined,
    run: async (signal) => void await Promise.all(loops.map((loop) => loop(signal))),
  }
}

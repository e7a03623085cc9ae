import { ipBlockResource, ipPoolResource, nodeResource, type ObjectResource } from '@weft/api'
import { allReady, type Clock, createRegistry, type Logger, type Readiness, type Registry } from '@weft/daemon'
import { createPoolController } from '@weft/ipam'
import { type KubeClient, LeaderElector, reflect, Store, type StoredObject } from '@weft/kube'
import type { ControllerConfig } from './config.ts'

export interface ControllerDeps {
  readonly config: ControllerConfig
  readonly client: KubeClient
  readonly clock: Clock
  readonly logger: Logger
}

export interface Controller {
  readonly registry: Registry
  run(signal: AbortSignal): Promise<void>
  ready(): Readiness
  readonly dumps: Readonly<Record<string, () => string>>
}

/** The cluster-wide loops. Every replica watches; only the leader writes. */
export function createController({ config, client, clock, logger }: ControllerDeps): Controller {
  const registry = createRegistry()
  const loops: ((signal: AbortSignal) => Promise<void>)[] = []
  function keep<T extends StoredObject>(resource: ObjectResource<T>): Store<T> {
    const store = new Store<T>()
    loops.push((signal) => reflect(client, resource, store, { clock, logger: logger.child({ resource: resource.name }), signal }))
    return store
  }
  const [nodes, pools, blocks] = [keep(nodeResource), keep(ipPoolResource), keep(ipBlockResource)]
  const poolController = createPoolController({ config: config.pools, kube: client, nodes, pools, blocks, clock, logger: logger.child({ component: 'pools' }), registry })
  const elector = new LeaderElector({ client, name: 'weft-controller', namespace: config.namespace, identity: config.identity, clock, logger })

  return {
    registry,
    ready: () => allReady({ nodes: nodes.hasSynced, 'ip pools': pools.hasSynced, 'ip blocks': blocks.hasSynced }),
    dumps: { pools: () => poolController.dump() },
    async run(signal) {
      // One that lost the lease runs for it again.
      const lead = async (): Promise<void> => {
        while (!signal.aborted) await elector.run((leading) => poolController.run(leading), { signal })
      }
      await Promise.all([...loops.map((loop) => loop(signal)), lead()])
    },
  }
}

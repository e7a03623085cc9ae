import { type AdminAnswers, type ControllerCalls, ipBlockResource, ipPoolResource, nodeResource, programStatus } from '@weft/api'
import { allReady, type Clock, createRegistry, type Logger, type Readiness, type Registry } from '@weft/daemon'
import { createPoolController } from '@weft/ipam'
import { createKubeMetrics, EventRecorder, type KubeClient, LeaderElector, reflect, type Resource, Store, type StoredObject, targetOf } from '@weft/kube'
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
  /** What it answers on its admin socket. */
  readonly answers: AdminAnswers<ControllerCalls>
}

/** The cluster-wide loops. Every replica watches; only the leader writes. */
export function createController({ config, client, clock, logger }: ControllerDeps): Controller {
  const registry = createRegistry({ process: true })
  const metrics = createKubeMetrics(registry)
  const recorder = new EventRecorder({ client, source: { component: 'weft-controller', host: config.identity }, clock, logger })
  const loops: ((signal: AbortSignal) => Promise<void>)[] = []
  function keep<T extends StoredObject>(resource: Resource<T>, kind: string, apiVersion: string): Store<T> {
    const store = new Store<T>()
    loops.push((signal) => reflect(client, resource, store, {
      clock, logger, metrics, signal,
      onRefused: (object, error) => recorder.record(targetOf(object, { apiVersion, kind }), 'Warning', { reason: 'Refused', message: error instanceof Error ? error.message : String(error) }),
    }))
    return store
  }
  const [nodes, pools, blocks] = [keep(nodeResource, 'Node', 'v1'), keep(ipPoolResource, ipPoolResource.kind, ipPoolResource.apiVersion), keep(ipBlockResource, ipBlockResource.kind, ipBlockResource.apiVersion)]
  const poolController = createPoolController({
    config: config.pools, kube: client, nodes, pools, blocks, clock, logger: logger.child({ component: 'pools' }), registry,
    onRefused: (object, error) => recorder.record(targetOf(object, { kind: ipPoolResource.kind, apiVersion: ipPoolResource.apiVersion }), 'Warning', { reason: 'Refused', message: error instanceof Error ? error.message : String(error) }),
  })
  const elector = new LeaderElector({ client, name: 'weft-controller', namespace: config.namespace, identity: config.identity, clock, logger })

  const ready = (): Readiness => allReady({ 'nodes': nodes.hasSynced, 'ip pools': pools.hasSynced, 'ip blocks': blocks.hasSynced })

  return {
    registry,
    ready,
    answers: {
      status: () => ({ ...programStatus(ready()), identity: config.identity, leading: elector.isLeader }),
      dumpPools: () => poolController.dump(),
    },
    async run(signal) {
      // One that lost the lease runs for it again.
      const lead = async (): Promise<void> => {
        while (!signal.aborted) await elector.run((leading) => poolController.run(leading), { signal })
      }
      await Promise.all([...loops.map((loop) => loop(signal)), recorder.run(signal), lead()])
    },
  }
}

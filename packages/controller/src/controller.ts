import { type AdminAnswers, type ControllerCalls, ipBlockResource, ipPoolResource, nodeResource, programStatus } from '@weft/api'
import { allReady, type Clock, createRegistry, type Logger, type Readiness, type Registry } from '@weft/daemon'
import { createPoolController } from '@weft/ipam'
import { eventOnRefused, EventRecorder, Informers, type KubeClient, LeaderElector } from '@weft/kube'
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
  const recorder = new EventRecorder({ client, source: { component: 'weft-controller', host: config.identity }, clock, logger })
  const informers = new Informers({ client, recorder, clock, logger, registry })
  const [nodes, pools, blocks] = [informers.keep(nodeResource), informers.keep(ipPoolResource), informers.keep(ipBlockResource)]
  const poolController = createPoolController({
    config: config.pools, kube: client, nodes, pools, blocks, clock, logger: logger.child({ component: 'pools' }), registry,
    onRefused: eventOnRefused(recorder, ipPoolResource),
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
      await Promise.all([informers.run(signal), recorder.run(signal), lead()])
    },
  }
}

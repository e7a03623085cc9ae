import { formatIp, firstIp, nextIp, parseCidr } from '@weft/ip'
import { bootstrap, type BootstrapOptions } from './bootstrap.ts'
import type { Controller, ControllerContext } from './controller.ts'
import { customResourceController } from './custom-resources.ts'
import { daemonSetController } from './daemon-set.ts'
import { deploymentController } from './deployment.ts'
import { endpointSliceController } from './endpoint-slice-controller.ts'
import { garbageCollector } from './garbage-collector.ts'
import { namespaceController } from './namespaces.ts'
import { nodeLifecycleController } from './node-lifecycle.ts'
import { nodeRangesController } from './node-ranges.ts'
import { replicaSetController } from './replica-set.ts'
import { scheduler } from './scheduler.ts'
import { statefulSetController } from './stateful-set.ts'

/** Settings of the controllers. */
export interface ControllersConfig {
  /** Ranges of Service addresses as the API server has them. @default 10.96.0.0/16 and fd00:10:96::/112 */
  readonly serviceRanges?: readonly string[] | undefined
  /** Ranges of all pods. @default 10.244.0.0/16 and fd00:10:244::/56 */
  readonly podRanges?: readonly string[] | undefined
  /** Addresses behind the `kubernetes` Service. @default none */
  readonly apiServerAddresses?: BootstrapOptions['apiServerAddresses']
  /** Port of those addresses. @default 6443 */
  readonly apiServerPort?: number | undefined
}

/** What makes a bare API server a cluster. */
export interface Controllers {
  /** Makes the objects every cluster has, then works until aborted. */
  run(signal: AbortSignal): Promise<void>
  /** Resolves when the objects every cluster has are there. */
  readonly ready: Promise<void>
  /** Resolves when no controller has anything to do. */
  settled(): Promise<void>
}

/** Makes the controllers of a cluster. @param options.ca The authority's certificate, for the ConfigMap that pods trust. */
export function createControllers(context: ControllerContext, options: { ca: string, config?: ControllersConfig | undefined }): Controllers {
  const { config = {} } = options
  const serviceRanges = config.serviceRanges ?? ['10.96.0.0/16', 'fd00:10:96::/112']
  const podRanges = config.podRanges ?? ['10.244.0.0/16', 'fd00:10:244::/56']
  const kubernetesAddresses = serviceRanges.map(range => formatIp(nextIp(firstIp(parseCidr(range)))))
  const ready = Promise.withResolvers<void>()
  ready.promise.catch(() => undefined)
  const controllers: readonly Controller[] = [
    namespaceController(context, options),
    nodeRangesController(context, { podRanges }),
    scheduler(context),
    endpointSliceController(context),
    replicaSetController(context),
    deploymentController(context),
    daemonSetController(context),
    statefulSetController(context),
    garbageCollector(context),
    customResourceController(context),
    nodeLifecycleController(context),
  ]
  return {
    ready: ready.promise,
    async run(signal) {
      const loops = controllers.map(controller => controller.loop.run(signal))
      try {
        await bootstrap(context.client, { serviceRanges, kubernetesAddresses, apiServerAddresses: config.apiServerAddresses, apiServerPort: config.apiServerPort })
        ready.resolve()
      } catch (error) {
        ready.reject(error)
        throw error
      }
      await Promise.all(loops)
    },
    async settled() {
      while (controllers.some(({ loop }) => !loop.isIdle)) await Promise.all(controllers.map(({ loop }) => loop.whenIdle()))
    },
  }
}

import type { NodeName } from '@weft/api'
import type { Clock, Logger, Readiness } from '@weft/daemon'
import type { KubeClient } from '@weft/kube'

interface NodeConditionOptions {
  readonly client: KubeClient
  readonly nodeName: NodeName
  readonly ready: () => Readiness
  readonly clock: Clock
  readonly logger: Logger
}

/** A start that takes longer is told: something is missing that may not come by itself. Milliseconds. */
const patienceMs = 10_000
const lookMs = 100
const retryMs = 5000

/**
 * Tells in the Node object whether pods can be wired. While they cannot, the cluster keeps pods away from the node, and
 * `kubectl describe node` has the reason. Once they can, that stays said: a node whose agent is away still forwards (LIFE-1).
 */
export async function tellNode({ client, nodeName, ready, clock, logger }: NodeConditionOptions, signal: AbortSignal): Promise<void> {
  const start = clock.now()
  let told: string | undefined
  while (!signal.aborted) {
    const { ready: available, waiting } = ready()
    const message = available ? 'Weft wires pods on this node' : `Weft waits for ${waiting.join(', ')}`
    let pauseMs = lookMs
    if (message !== told && (available || clock.now() - start >= patienceMs)) {
      try {
        await writeNetworkCondition(client, nodeName, { available, message })
        told = message
        if (available) return
      } catch (error) {
        if (signal.aborted) return
        logger.warn({ err: error }, 'condition NetworkUnavailable not written')
        pauseMs = retryMs
      }
    }
    await clock.sleep(pauseMs, { signal }).catch(() => undefined)
  }
}

/** What the condition says. */
interface NetworkState {
  readonly available: boolean
  /** One sentence for an operator. */
  readonly message: string
}

/** Sets the condition NetworkUnavailable of a node. */
export async function writeNetworkCondition(client: KubeClient, nodeName: NodeName, { available, message }: NetworkState): Promise<void> {
  const now = new Date().toISOString()
  const condition = {
    type: 'NetworkUnavailable',
    status: available ? 'False' : 'True',
    reason: available ? 'WeftReady' : 'WeftNotReady',
    message,
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  }
  await client.request('PATCH', `/api/v1/nodes/${nodeName}/status`, { contentType: 'application/strategic-merge-patch+json', body: { status: { conditions: [condition] } } })
}

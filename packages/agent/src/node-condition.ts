import { networkReasons, type NetworkReason, networkUnavailable, type NodeName } from '@weft/api'
import type { Clock, Logger, Readiness } from '@weft/daemon'
import type { KubeClient } from '@weft/kube'

interface NodeConditionOptions {
  readonly client: KubeClient
  readonly nodeName: NodeName
  readonly ready: () => Readiness
  /** What somebody should do although pods can be wired. */
  readonly notice: () => string | undefined
  /** Leaves word for the container runtime why pods cannot be wired; undefined: they can. */
  readonly leaveReason: (reason: string | undefined) => Promise<void>
  readonly clock: Clock
  readonly logger: Logger
}

/** What lasts longer is told: something is missing that may not come by itself. Milliseconds. */
const patienceMs = 10_000
const lookMs = 100
/** Nobody waits for what changes while pods can be wired. */
const calmLookMs = 5000
const retryMs = 5000

/**
 * Tells in the Node object whether pods can be wired. While they cannot, the cluster keeps pods away from the node, and
 * `kubectl describe node` has the reason, as the container runtime has at once. What is true when the agent goes stays said: a node
 * whose agent is away still forwards (LIFE-1).
 */
export async function tellNode({ client, nodeName, ready, notice, leaveReason, clock, logger }: NodeConditionOptions, signal: AbortSignal): Promise<void> {
  let told: string | undefined
  let unwritten: string | undefined
  let left: string | undefined
  let since = clock.now()
  while (!signal.aborted) {
    const { ready: available, waiting } = ready()
    const toDo = available ? notice() : undefined
    const message = available ? ['Weft wires pods on this node', toDo].filter((part) => part !== undefined).join('; ') : `Weft waits for ${waiting.join('; ')}`
    const reason = available ? undefined : message
    let pauseMs = available ? calmLookMs : lookMs
    if (available) since = clock.now()
    if (reason !== left) {
      await leaveReason(reason).then(() => (left = reason), (error: unknown) => logger.debug({ err: error }, 'reason not left for the runtime'))
    }
    if (message !== told && (available || clock.now() - since >= patienceMs)) {
      try {
        await writeNetworkCondition(client, nodeName, { reason: !available ? networkReasons.notReady : toDo === undefined ? networkReasons.ready : networkReasons.podsNotAttached, message })
        told = message
        if (!available) logger.warn({ waiting }, 'pods cannot be wired')
      } catch (error) {
        if (signal.aborted) return
        if (message === unwritten) logger.debug({ err: error }, 'condition NetworkUnavailable still not written')
        else logger.warn({ err: error }, 'condition NetworkUnavailable not written')
        unwritten = message
        pauseMs = retryMs
      }
    }
    await clock.sleep(pauseMs, { signal }).catch(() => undefined)
  }
}

/** What the condition says. */
interface NetworkState {
  readonly reason: NetworkReason
  /** One sentence for an operator. */
  readonly message: string
}

/** Sets the condition NetworkUnavailable of a node. */
export async function writeNetworkCondition(client: KubeClient, nodeName: NodeName, { reason, message }: NetworkState): Promise<void> {
  const now = new Date().toISOString()
  const condition = {
    type: networkUnavailable,
    status: reason === networkReasons.notReady ? 'True' : 'False',
    reason,
    message,
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  }
  await client.request('PATCH', `/api/v1/nodes/${nodeName}/status`, { contentType: 'application/strategic-merge-patch+json', body: { status: { conditions: [condition] } } })
}

import { asText, valueAt, type KubeObject } from '../apiserver/json.ts'
import { timestamp } from '../apiserver/verbs/context.ts'
import { addAll, type Controller, type ControllerContext } from './controller.ts'
import { KeyLoop } from './key-loop.ts'
import { as, type Node, type Pod } from './model.ts'
import { withCondition, withConditions, writeStatus } from './write-status.ts'

/** Kubernetes' node-monitor-grace-period. */
const GRACE_MS = 40_000
/** Kubernetes' node-monitor-period. */
const CHECK_MS = 5000

/** Tells the cluster about nodes that went silent: nodes whose Lease is too old become NotReady, and so do their pods. */
export function nodeLifecycleController(context: ControllerContext): Controller {
  const loop: KeyLoop = new KeyLoop({ name: 'nodelifecycle', reconcile: key => reconcile(context, key, loop), clock: context.clock, logger: context.logger })
  addAll(context, 'nodes', loop)
  return { name: 'nodelifecycle', loop }
}

async function reconcile(context: ControllerContext, name: string, loop: KeyLoop): Promise<void> {
  const { storage, clock } = context
  const object = storage.get('nodes', name)
  const lease = storage.get('leases.coordination.k8s.io', `kube-node-lease/${name}`)
  if (object === undefined) return
  const renewed = Date.parse(asText(valueAt(lease, 'spec.renewTime')) ?? '')
  // A node without a lease is kept by someone who reports its conditions alone.
  if (Number.isNaN(renewed)) return
  const silentMs = clock.wallTime().getTime() - renewed
  loop.addAfter(name, CHECK_MS)
  const node = as<Node>(object)
  const ready = node.status?.conditions?.find(condition => condition.type === 'Ready')
  if (silentMs < GRACE_MS || ready?.status === 'Unknown') return
  const condition = { type: 'Ready', status: 'Unknown', reason: 'NodeStatusUnknown', message: 'Kubelet stopped posting node status.' } as const
  const conditions = withCondition(node.status?.conditions ?? [], condition, timestamp(clock.wallTime()))
  await writeStatus(context, 'nodes', node, withConditions(object['status'], conditions))
  for (const pod of storage.list('pods')) if (as<Pod>(pod).spec.nodeName === name) await markNotReady(context, pod)
}

async function markNotReady(context: ControllerContext, object: KubeObject): Promise<void> {
  const pod = as<Pod>(object)
  const ready = pod.status?.conditions?.find(condition => condition.type === 'Ready')
  if (ready?.status !== 'True') return
  const conditions = withCondition((pod.status?.conditions ?? []), { type: 'Ready', status: 'False', reason: 'NodeNotReady' }, timestamp(context.clock.wallTime()))
  await writeStatus(context, 'pods', pod, withConditions(object['status'], conditions))
}

import { timestamp } from '../apiserver/verbs/context.ts'
import type { KubeObject } from '../apiserver/json.ts'
import type { Controller, ControllerContext } from './controller.ts'
import { KeyLoop } from './key-loop.ts'
import { as, isFinished, type Node, type Pod } from './model.ts'
import { fits, hostPortsOf, isSchedulable } from './nodes.ts'
import { withCondition, withConditions, writeStatus } from './write-status.ts'

/** Gives pods without a node the Ready node that fits and has the fewest pods. */
export function scheduler(context: ControllerContext): Controller {
  const loop = new KeyLoop({ name: 'scheduler', reconcile: key => schedule(context, key), clock: context.clock, logger: context.logger })
  const { storage } = context
  const isWaiting = (pod: KubeObject): boolean => as<Pod>(pod).spec.nodeName === undefined && pod.metadata.deletionTimestamp === undefined
  const addWaiting = (): void => {
    for (const pod of storage.list('pods')) if (isWaiting(pod)) loop.add(`${pod.metadata.namespace}/${pod.metadata.name}`)
  }
  addWaiting()
  storage.subscribe(({ kind, key, now }) => {
    if (kind === 'added' && isWaiting(now.object)) loop.add(key)
    // A pod that goes may free the host port others wait for.
    if (kind === 'deleted' && hostPortsOf(as<Pod>(now.object)).length > 0) addWaiting()
  }, 'pods')
  storage.subscribe(({ before, now }) => {
    const was = before !== undefined && isSchedulable(as<Node>(before.object))
    const labelsChanged = JSON.stringify(before?.object.metadata.labels) !== JSON.stringify(now.object.metadata.labels)
    if (isSchedulable(as<Node>(now.object)) && (!was || labelsChanged)) addWaiting()
  }, 'nodes')
  return { name: 'scheduler', loop }
}

async function schedule(context: ControllerContext, key: string): Promise<void> {
  const { storage, client } = context
  const object = storage.get('pods', key)
  if (object === undefined) return
  const pod = as<Pod>(object)
  if (pod.spec.nodeName !== undefined || pod.metadata.deletionTimestamp !== undefined) return
  const nodes = storage.list('nodes').map(node => as<Node>(node))
  const running = storage.list('pods').map(other => as<Pod>(other)).filter(other => other.spec.nodeName !== undefined && !isFinished(other))
  const name = chooseNode(pod, nodes, running)
  if (name === undefined) {
    const message = `0/${nodes.length} nodes are available: none is Ready, fits the node selector, is tolerated and has the host ports free.`
    const conditions = withCondition((pod.status?.conditions ?? []), { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }, timestamp(context.clock.wallTime()))
    await writeStatus(context, 'pods', pod, withConditions(object['status'], conditions))
    return
  }
  const { namespace, name: podName } = pod.metadata
  await client.request('POST', `/api/v1/namespaces/${namespace}/pods/${podName}/binding`, { body: { apiVersion: 'v1', kind: 'Binding', metadata: { name: podName }, target: { apiVersion: 'v1', kind: 'Node', name } } })
}

/** The node for a pod: fewest pods of the same owner first, then fewest pods at all, then the first name. */
export function chooseNode(pod: Pod, nodes: readonly Node[], running: readonly Pod[]): string | undefined {
  const owner = pod.metadata.ownerReferences?.[0]?.uid
  const ports = new Set(hostPortsOf(pod))
  const candidates = nodes.filter(node => isSchedulable(node) && fits(pod.spec, node, { daemon: false })).flatMap(node => {
    const here = running.filter(other => other.spec.nodeName === node.metadata.name)
    if (ports.size > 0 && here.some(other => hostPortsOf(other).some(port => ports.has(port)))) return []
    const siblings = owner === undefined ? 0 : here.filter(other => other.metadata.ownerReferences?.[0]?.uid === owner).length
    return [{ name: node.metadata.name, siblings, total: here.length }]
  })
  candidates.sort((a, b) => a.siblings - b.siblings || a.total - b.total || (a.name < b.name ? -1 : 1))
  return candidates[0]?.name
}

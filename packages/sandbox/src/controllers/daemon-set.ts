import type { Controller, ControllerContext } from './controller.ts'
import { KeyLoop } from './key-loop.ts'
import { as, availableIn, isFinished, isReady, type Node, type Pod, type Workload } from './model.ts'
import { fits } from './nodes.ts'
import { addWorkloads, countAvailable, podFromTemplate, podsOwnedBy, podsPath } from './owned-pods.ts'
import { ignoreGone } from './replica-set.ts'
import { templateHash } from './template-hash.ts'
import { writeStatus } from './write-status.ts'

const STORAGE = 'daemonsets.apps'
const HASH_LABEL = 'controller-revision-hash'

/** Keeps one pod of each DaemonSet on every node that fits. */
export function daemonSetController(context: ControllerContext): Controller {
  const loop = new KeyLoop({ name: 'daemonset', reconcile: key => reconcile(context, key, loop), clock: context.clock, logger: context.logger })
  addWorkloads(context, 'DaemonSet', STORAGE, loop)
  context.storage.subscribe(({ kind, before, now }) => {
    // Heartbeats change nothing here.
    if (kind === 'modified' && JSON.stringify([before?.object['spec'], before?.object.metadata.labels]) === JSON.stringify([now.object['spec'], now.object.metadata.labels])) return
    for (const set of context.storage.list(STORAGE)) loop.add(`${set.metadata.namespace}/${set.metadata.name}`)
  }, 'nodes')
  return { name: 'daemonset', loop }
}

async function reconcile(context: ControllerContext, key: string, loop: KeyLoop): Promise<void> {
  const object = context.storage.get(STORAGE, key)
  if (object === undefined || object.metadata.deletionTimestamp !== undefined) return
  const set = as<Workload>(object)
  const { client } = context
  const hash = templateHash(set.spec.template)
  const nodes = context.storage.list('nodes').map(node => as<Node>(node)).filter(node => fits(set.spec.template.spec, node, { daemon: true }))
  const names = new Set(nodes.map(node => node.metadata.name))
  const remove = (pod: Pod): Promise<unknown> => client.request('DELETE', `${podsPath(set)}/${pod.metadata.name}`).catch(ignoreGone)
  const byNode = new Map<string, Pod[]>()
  for (const pod of podsOwnedBy(context, set)) {
    if (!names.has(pod.spec.nodeName ?? '')) {
      if (pod.metadata.deletionTimestamp === undefined) await remove(pod)
    } else if (isFinished(pod) && pod.metadata.deletionTimestamp === undefined) await remove(pod)
    else byNode.getOrInsertComputed(pod.spec.nodeName!, () => []).push(pod)
  }
  for (const name of names) {
    if ((byNode.get(name) ?? []).length > 0) continue
    const body = podFromTemplate('DaemonSet', set, { metadata: { generateName: `${set.metadata.name}-` }, labels: { [HASH_LABEL]: hash }, spec: { nodeName: name } })
    await client.request('POST', podsPath(set), { body })
  }
  if ((set.spec.updateStrategy?.type ?? 'RollingUpdate') === 'RollingUpdate') await replaceOld(context, set, { byNode, hash, wanted: names.size, remove })
  await writeDaemonStatus(context, set, { hash, wanted: names.size, loop })
}

async function replaceOld(context: ControllerContext, set: Workload, state: { byNode: Map<string, Pod[]>, hash: string, wanted: number, remove: (pod: Pod) => Promise<unknown> }): Promise<void> {
  const value = set.spec.updateStrategy?.rollingUpdate?.maxUnavailable ?? 1
  const most = Math.max(1, typeof value === 'number' ? value : Math.ceil((Number.parseInt(value, 10) * state.wanted) / 100))
  const pods = [...state.byNode.values()].flat()
  const isDown = (pod: Pod): boolean => availableIn(pod, set.spec, context.clock.wallTime()) !== 0 || pod.metadata.deletionTimestamp !== undefined
  let room = most - (state.wanted - new Set(pods.filter(pod => !isDown(pod)).map(pod => pod.spec.nodeName)).size)
  for (const pod of pods) {
    if (pod.metadata.labels?.[HASH_LABEL] === state.hash || pod.metadata.deletionTimestamp !== undefined) continue
    // A pod that is down already costs nothing to replace.
    if (!isDown(pod) && room-- <= 0) continue
    await state.remove(pod)
  }
}

async function writeDaemonStatus(context: ControllerContext, set: Workload, state: { hash: string, wanted: number, loop: KeyLoop }): Promise<void> {
  const pods = podsOwnedBy(context, set).filter(pod => !isFinished(pod) && pod.metadata.deletionTimestamp === undefined)
  const ready = pods.filter(isReady).length
  const available = countAvailable(context, set, { pods, loop: state.loop })
  const updated = pods.filter(pod => pod.metadata.labels?.[HASH_LABEL] === state.hash).length
  await writeStatus(context, STORAGE, set, {
    currentNumberScheduled: pods.length, desiredNumberScheduled: state.wanted, numberMisscheduled: 0, numberReady: ready,
    ...(updated > 0 ? { updatedNumberScheduled: updated } : {}), ...(available > 0 ? { numberAvailable: available } : {}), ...(state.wanted > available ? { numberUnavailable: state.wanted - available } : {}),
    observedGeneration: set.metadata.generation,
  })
}

import { isNotFound } from '@weft/kube'
import type { Controller, ControllerContext } from './controller.ts'
import { KeyLoop } from './key-loop.ts'
import { as, isFinished, isReady, type Pod, type Workload } from './model.ts'
import { addWorkloads, countAvailable, podFromTemplate, podsOwnedBy, podsPath } from './owned-pods.ts'
import { writeStatus } from './write-status.ts'

const STORAGE = 'replicasets.apps'
/** Pods made or removed in one go; more would hold up everyone else. */
const BURST = 100

/** Keeps as many pods of each ReplicaSet as it asks for. */
export function replicaSetController(context: ControllerContext): Controller {
  const loop = new KeyLoop({ name: 'replicaset', reconcile: key => reconcile(context, key, loop), clock: context.clock, logger: context.logger })
  addWorkloads(context, 'ReplicaSet', STORAGE, loop)
  return { name: 'replicaset', loop }
}

async function reconcile(context: ControllerContext, key: string, loop: KeyLoop): Promise<void> {
  const object = context.storage.get(STORAGE, key)
  if (object === undefined) return
  const set = as<Workload>(object)
  if (set.metadata.deletionTimestamp !== undefined) return
  const active = podsOwnedBy(context, set).filter(pod => !isFinished(pod) && pod.metadata.deletionTimestamp === undefined)
  const missing = (set.spec.replicas ?? 1) - active.length
  const { client } = context
  if (missing > 0) {
    const body = podFromTemplate('ReplicaSet', set, { metadata: { generateName: `${set.metadata.name}-` } })
    await Promise.all(Array.from({ length: Math.min(missing, BURST) }, () => client.request('POST', podsPath(set), { body })))
  } else if (missing < 0) {
    const victims = active.sort(byWorth).slice(0, Math.min(-missing, BURST))
    await Promise.all(victims.map(pod => client.request('DELETE', `${podsPath(set)}/${pod.metadata.name}`).catch(ignoreGone)))
  }
  if (Math.abs(missing) > BURST) loop.add(key)
  await writeReplicaStatus(context, set, loop)
}

async function writeReplicaStatus(context: ControllerContext, set: Workload, loop: KeyLoop): Promise<void> {
  const pods = podsOwnedBy(context, set).filter(pod => !isFinished(pod) && pod.metadata.deletionTimestamp === undefined)
  const ready = pods.filter(isReady).length
  const counts = { replicas: pods.length, fullyLabeledReplicas: pods.length, readyReplicas: ready, availableReplicas: countAvailable(context, set, { pods, loop }) }
  const shown = Object.fromEntries(Object.entries(counts).filter(([name, count]) => name === 'replicas' || count > 0))
  await writeStatus(context, STORAGE, set, { ...shown, observedGeneration: set.metadata.generation })
}

/** Least worth keeping first: without a node, not ready, youngest. */
function byWorth(a: Pod, b: Pod): number {
  const rank = (pod: Pod): number => (pod.spec.nodeName === undefined ? 0 : isReady(pod) ? 2 : 1)
  if (rank(a) !== rank(b)) return rank(a) - rank(b)
  return Date.parse(b.metadata.creationTimestamp) - Date.parse(a.metadata.creationTimestamp)
}

/** For deletions: what is gone already is what was wanted. */
export function ignoreGone(error: unknown): void {
  if (!isNotFound(error)) throw error
}

import { asJson, asText } from '../apiserver/json.ts'
import type { Controller, ControllerContext } from './controller.ts'
import { KeyLoop } from './key-loop.ts'
import { as, availableIn, isFinished, isReady, type Pod, type Workload } from './model.ts'
import { addWorkloads, countAvailable, podFromTemplate, podsOwnedBy, podsPath } from './owned-pods.ts'
import { ignoreGone } from './replica-set.ts'
import { templateHash } from './template-hash.ts'
import { writeStatus } from './write-status.ts'

const STORAGE = 'statefulsets.apps'
const HASH_LABEL = 'controller-revision-hash'

/** Keeps the numbered pods of each StatefulSet, one after the other unless it says `Parallel`. */
export function statefulSetController(context: ControllerContext): Controller {
  const loop = new KeyLoop({ name: 'statefulset', reconcile: key => reconcile(context, key, loop), clock: context.clock, logger: context.logger })
  addWorkloads(context, 'StatefulSet', STORAGE, loop)
  return { name: 'statefulset', loop }
}

async function reconcile(context: ControllerContext, key: string, loop: KeyLoop): Promise<void> {
  const object = context.storage.get(STORAGE, key)
  if (object === undefined || object.metadata.deletionTimestamp !== undefined) return
  const set = as<Workload>(object)
  const hash = `${set.metadata.name}-${templateHash(set.spec.template)}`
  await step(context, set, hash)
  await writeSetStatus(context, set, { hash, loop })
}

/** One step towards what is wanted; the change it makes brings the next one. */
async function step(context: ControllerContext, set: Workload, hash: string): Promise<void> {
  const replicas = set.spec.replicas ?? 1
  const parallel = set.spec.podManagementPolicy === 'Parallel'
  const pods = new Map(podsOwnedBy(context, set).map(pod => [ordinalOf(pod), pod] as const))
  const isDown = (pod: Pod): boolean => availableIn(pod, set.spec, context.clock.wallTime()) !== 0
  const remove = (pod: Pod): Promise<unknown> => context.client.request('DELETE', `${podsPath(set)}/${pod.metadata.name}`).catch(ignoreGone)
  for (let ordinal = 0; ordinal < replicas; ordinal++) {
    const pod = pods.get(ordinal)
    if (pod === undefined) await context.client.request('POST', podsPath(set), { body: numberedPod(set, ordinal, hash) })
    else if (isFinished(pod) && pod.metadata.deletionTimestamp === undefined) await remove(pod)
    if (!parallel && (pod === undefined || isDown(pod) || pod.metadata.deletionTimestamp !== undefined)) return
  }
  const surplus = [...pods].filter(([ordinal]) => ordinal >= replicas).sort(([a], [b]) => b - a).map(([, pod]) => pod)
  for (const pod of surplus) {
    if (pod.metadata.deletionTimestamp === undefined) await remove(pod)
    if (!parallel) return
  }
  if (set.spec.updateStrategy?.type === 'OnDelete') return
  const partition = set.spec.updateStrategy?.rollingUpdate?.partition ?? 0
  for (let ordinal = replicas - 1; ordinal >= partition; ordinal--) {
    const pod = pods.get(ordinal)
    if (pod === undefined || pod.metadata.deletionTimestamp !== undefined) return
    if (pod.metadata.labels?.[HASH_LABEL] !== hash) {
      await remove(pod)
      return
    }
    if (isDown(pod)) return
  }
}

function ordinalOf(pod: Pod): number {
  return Number(/-(\d+)$/u.exec(pod.metadata.name)?.[1] ?? -1)
}

function numberedPod(set: Workload, ordinal: number, hash: string): ReturnType<typeof podFromTemplate> {
  const name = `${set.metadata.name}-${ordinal}`
  const labels = { [HASH_LABEL]: hash, 'statefulset.kubernetes.io/pod-name': name, 'apps.kubernetes.io/pod-index': String(ordinal) }
  return podFromTemplate('StatefulSet', set, { metadata: { name }, labels, spec: { hostname: name, ...(set.spec.serviceName === undefined ? {} : { subdomain: set.spec.serviceName }) } })
}

async function writeSetStatus(context: ControllerContext, set: Workload, { hash, loop }: { readonly hash: string, readonly loop: KeyLoop }): Promise<void> {
  const pods = podsOwnedBy(context, set).filter(pod => pod.metadata.deletionTimestamp === undefined && !isFinished(pod))
  const ready = pods.filter(isReady).length
  const updated = pods.filter(pod => pod.metadata.labels?.[HASH_LABEL] === hash).length
  const before = asText(asJson(set.status?.['currentRevision']))
  const finished = updated === pods.length && pods.length === (set.spec.replicas ?? 1)
  const shown = Object.fromEntries(Object.entries({ readyReplicas: ready, updatedReplicas: updated, currentReplicas: finished ? updated : pods.length - updated }).filter(([, count]) => count > 0))
  await writeStatus(context, STORAGE, set, {
    replicas: pods.length, ...shown, availableReplicas: countAvailable(context, set, { pods, loop }), currentRevision: finished || before === undefined ? hash : before, updateRevision: hash, collisionCount: 0, observedGeneration: set.metadata.generation,
  })
}

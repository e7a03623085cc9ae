import { asJson, asObject, type JsonObject } from '../apiserver/json.ts'
import { timestamp } from '../apiserver/verbs/context.ts'
import { addAll, type Controller, type ControllerContext } from './controller.ts'
import { KeyLoop } from './key-loop.ts'
import { as, type RollingUpdate, type Workload } from './model.ts'
import { controlledBy } from './owned-pods.ts'
import { ignoreGone } from './replica-set.ts'
import { templateHash } from './template-hash.ts'
import { conditionsOf, withCondition, writeStatus } from './write-status.ts'

const STORAGE = 'deployments.apps'
const SETS = 'replicasets.apps'
const HASH_LABEL = 'pod-template-hash'
const REVISION = 'deployment.kubernetes.io/revision'

/** Rolls Deployments out through ReplicaSets. */
export function deploymentController(context: ControllerContext): Controller {
  const loop = new KeyLoop({ name: 'deployment', reconcile: key => reconcile(context, key), clock: context.clock, logger: context.logger })
  addAll(context, STORAGE, loop)
  context.storage.subscribe(({ now }) => {
    const owner = as<Workload>(now.object).metadata.ownerReferences?.find(reference => reference.controller === true)
    if (owner !== undefined) loop.add(`${now.object.metadata.namespace}/${owner.name}`)
  }, SETS)
  return { name: 'deployment', loop }
}

async function reconcile(context: ControllerContext, key: string): Promise<void> {
  const object = context.storage.get(STORAGE, key)
  if (object === undefined || object.metadata.deletionTimestamp !== undefined) return
  const deployment = as<Workload>(object)
  const current = await currentSet(context, deployment)
  const others = setsOf(context, deployment).filter(set => set.metadata.uid !== current.metadata.uid)
  if (deployment.spec.paused !== true) await roll(context, deployment, { current, others })
  await forgetOldSets(context, deployment, others)
  await writeDeploymentStatus(context, deployment, current.metadata.uid)
}

function setsOf(context: ControllerContext, deployment: Workload): Workload[] {
  const { namespace, uid } = deployment.metadata
  return context.storage.list(SETS, namespace).map(set => as<Workload>(set)).filter(set => set.metadata.ownerReferences?.some(owner => owner.uid === uid))
}

function revisionOf(set: Workload): number {
  return Number(set.metadata.annotations?.[REVISION] ?? 0)
}

async function currentSet(context: ControllerContext, deployment: Workload): Promise<Workload> {
  const { client } = context
  const { name, namespace } = deployment.metadata
  const { template, selector } = deployment.spec
  const hash = templateHash(template)
  const sets = setsOf(context, deployment)
  const path = `/apis/apps/v1/namespaces/${namespace}/replicasets`
  const newest = Math.max(0, ...sets.map(revisionOf))
  const found = sets.find(set => set.metadata.name === `${name}-${hash}`)
  if (found !== undefined) {
    // Going back to an older template makes its set the newest revision again.
    if (revisionOf(found) < newest) await annotate(context, `${path}/${found.metadata.name}`, String(newest + 1))
    await annotateDeployment(context, deployment, String(revisionOf(found) < newest ? newest + 1 : revisionOf(found)))
    const { minReadySeconds = 0 } = deployment.spec
    if ((found.spec.minReadySeconds ?? 0) !== minReadySeconds) await client.request('PATCH', `${path}/${found.metadata.name}`, { contentType: 'application/merge-patch+json', body: { spec: { minReadySeconds } } })
    return found
  }
  const revision = String(newest + 1)
  const labels = { ...template.metadata?.labels, [HASH_LABEL]: hash }
  const body: JsonObject = {
    metadata: { name: `${name}-${hash}`, namespace, labels, annotations: { [REVISION]: revision }, ownerReferences: [controlledBy('Deployment', deployment)] },
    spec: {
      replicas: 0,
      ...(deployment.spec.minReadySeconds === undefined ? {} : { minReadySeconds: deployment.spec.minReadySeconds }),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [HASH_LABEL]: hash } },
      template: { metadata: { ...asObject(asJson(template.metadata)), labels }, spec: asJson(template.spec) },
    },
  }
  const created = await client.request<Workload>('POST', path, { body })
  await annotateDeployment(context, deployment, revision)
  return created
}

async function annotateDeployment(context: ControllerContext, deployment: Workload, revision: string): Promise<void> {
  if (deployment.metadata.annotations?.[REVISION] === revision) return
  await annotate(context, `/apis/apps/v1/namespaces/${deployment.metadata.namespace}/deployments/${deployment.metadata.name}`, revision)
}

async function annotate(context: ControllerContext, path: string, revision: string): Promise<void> {
  await context.client.request('PATCH', path, { contentType: 'application/merge-patch+json', body: { metadata: { annotations: { [REVISION]: revision } } } })
}

async function roll(context: ControllerContext, deployment: Workload, sets: { current: Workload, others: readonly Workload[] }): Promise<void> {
  const replicas = deployment.spec.replicas ?? 1
  const { current, others } = sets
  const running = others.filter(set => (set.spec.replicas ?? 0) > 0)
  const available = (set: Workload): number => Number(set.status?.['availableReplicas'] ?? 0)
  if (deployment.spec.strategy?.type === 'Recreate') {
    for (const set of running) await scale(context, set, 0)
    // The new pods wait until the last old one is gone.
    const oldPods = others.reduce((sum, set) => sum + Number(set.status?.['replicas'] ?? 0), 0)
    if (running.length === 0 && oldPods === 0) await scale(context, current, replicas)
    return
  }
  const { surge, unavailable } = limits(deployment.spec.strategy?.rollingUpdate, replicas)
  const total = [current, ...running].reduce((sum, set) => sum + (set.spec.replicas ?? 0), 0)
  const wanted = current.spec.replicas ?? 0
  if (wanted > replicas || running.length === 0) await scale(context, current, replicas)
  else await scale(context, current, Math.min(replicas, wanted + Math.max(0, replicas + surge - total)))
  let spare = [current, ...running].reduce((sum, set) => sum + available(set), 0) - (replicas - unavailable)
  for (const set of running.sort((a, b) => revisionOf(a) - revisionOf(b))) {
    // Pods that do not run serve nobody: they may go at once.
    const broken = (set.spec.replicas ?? 0) - available(set)
    const leave = Math.min(available(set), Math.max(0, spare))
    spare -= leave
    if (broken + leave > 0) await scale(context, set, (set.spec.replicas ?? 0) - broken - leave)
  }
}

/** How many pods more and how many fewer than wanted a roll-out may have. */
export function limits(update: RollingUpdate | undefined, replicas: number): { surge: number, unavailable: number } {
  const count = (value: number | string, round: (x: number) => number): number => (typeof value === 'number' ? value : round((Number.parseInt(value, 10) * replicas) / 100))
  const surge = count(update?.maxSurge ?? '25%', Math.ceil)
  const unavailable = count(update?.maxUnavailable ?? '25%', Math.floor)
  return { surge, unavailable: surge === 0 && unavailable === 0 ? 1 : unavailable }
}

async function scale(context: ControllerContext, set: Workload, replicas: number): Promise<void> {
  if (set.spec.replicas === replicas) return
  const path = `/apis/apps/v1/namespaces/${set.metadata.namespace}/replicasets/${set.metadata.name}`
  await context.client.request('PATCH', path, { contentType: 'application/merge-patch+json', body: { spec: { replicas } } })
}

async function forgetOldSets(context: ControllerContext, deployment: Workload, others: readonly Workload[]): Promise<void> {
  const keep = deployment.spec.revisionHistoryLimit ?? 10
  const idle = others.filter(set => set.spec.replicas === 0 && Number(set.status?.['replicas'] ?? 0) === 0).sort((a, b) => revisionOf(b) - revisionOf(a))
  for (const set of idle.slice(keep)) await context.client.request('DELETE', `/apis/apps/v1/namespaces/${set.metadata.namespace}/replicasets/${set.metadata.name}`).catch(ignoreGone)
}

async function writeDeploymentStatus(context: ControllerContext, deployment: Workload, currentUid: string): Promise<void> {
  const sets = setsOf(context, deployment)
  const sum = (name: string, of: readonly Workload[] = sets): number => of.reduce((total, set) => total + Number(set.status?.[name] ?? 0), 0)
  const replicas = deployment.spec.replicas ?? 1
  const available = sum('availableReplicas')
  const updated = sum('replicas', sets.filter(set => set.metadata.uid === currentUid))
  const counts = { replicas: sum('replicas'), updatedReplicas: updated, readyReplicas: sum('readyReplicas'), availableReplicas: available, unavailableReplicas: Math.max(0, replicas - available) }
  const { unavailable } = limits(deployment.spec.strategy?.rollingUpdate, replicas)
  const now = timestamp(context.clock.wallTime())
  const enough = available >= replicas - unavailable
  const done = updated === replicas && counts.replicas === replicas && available >= replicas
  let conditions = withCondition(conditionsOf(deployment.status), enough
    ? { type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable', message: 'Deployment has minimum availability.' }
    : { type: 'Available', status: 'False', reason: 'MinimumReplicasUnavailable', message: 'Deployment does not have minimum availability.' }, now)
  conditions = withCondition(conditions, { type: 'Progressing', status: 'True', reason: done ? 'NewReplicaSetAvailable' : 'ReplicaSetUpdated', message: done ? 'ReplicaSet has successfully progressed.' : 'ReplicaSet is progressing.' }, now)
  const shown = Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0))
  await writeStatus(context, STORAGE, deployment, { ...shown, conditions: asJson(conditions), observedGeneration: deployment.metadata.generation })
}

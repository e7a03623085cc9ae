import { asJson, asObject, type JsonObject } from '../apiserver/json.ts'
import { addAll, type ControllerContext } from './controller.ts'
import type { KeyLoop } from './key-loop.ts'
import { as, availableIn, type Pod, type Workload } from './model.ts'

/** The pods of a namespace that a workload controls, by name. */
export function podsOwnedBy(context: ControllerContext, owner: Workload): Pod[] {
  const { namespace, uid } = owner.metadata
  return context.storage.list('pods', namespace).map(pod => as<Pod>(pod)).filter(pod => pod.metadata.ownerReferences?.some(reference => reference.controller === true && reference.uid === uid))
}

/** Reconciles a workload when it changes and when a pod it controls does. */
export function addWorkloads(context: ControllerContext, kind: string, storage: string, loop: KeyLoop): void {
  addAll(context, storage, loop)
  context.storage.subscribe(({ now }) => {
    const { namespace, ownerReferences } = as<Pod>(now.object).metadata
    const owner = ownerReferences?.find(reference => reference.controller === true && reference.kind === kind)
    if (owner !== undefined) loop.add(`${namespace}/${owner.name}`)
  }, 'pods')
}

/** How many pods are available; the workload is looked at again when the next one will be. */
export function countAvailable(context: ControllerContext, owner: Workload, { pods, loop }: { readonly pods: readonly Pod[], readonly loop: KeyLoop }): number {
  const waits = pods.map(pod => availableIn(pod, owner.spec, context.clock.wallTime())).filter(ms => ms !== undefined)
  const next = Math.min(...waits.filter(ms => ms > 0))
  if (Number.isFinite(next)) loop.addAfter(`${owner.metadata.namespace}/${owner.metadata.name}`, next)
  return waits.filter(ms => ms === 0).length
}

/** The reference that makes `owner` the controller of an object. */
export function controlledBy(kind: string, owner: Workload): JsonObject {
  const { name, uid } = owner.metadata
  return { apiVersion: 'apps/v1', kind, name, uid, controller: true, blockOwnerDeletion: true }
}

/** A pod made from a workload's template. */
export function podFromTemplate(kind: string, owner: Workload, more: { metadata?: JsonObject, labels?: Readonly<Record<string, string>>, spec?: JsonObject }): JsonObject {
  const { template } = owner.spec
  return {
    metadata: {
      namespace: owner.metadata.namespace,
      ...more.metadata,
      labels: { ...template.metadata?.labels, ...more.labels },
      ...(template.metadata?.annotations === undefined ? {} : { annotations: { ...template.metadata.annotations } }),
      ownerReferences: [controlledBy(kind, owner)],
    },
    spec: { ...asObject(asJson(template.spec)), ...more.spec },
  }
}

/** Path of a namespace's pods. */
export function podsPath(owner: Workload): string {
  return `/api/v1/namespaces/${owner.metadata.namespace}/pods`
}

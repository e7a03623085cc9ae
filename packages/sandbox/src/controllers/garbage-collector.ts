import type { KubeObject } from '../apiserver/json.ts'
import type { Controller, ControllerContext } from './controller.ts'
import { KeyLoop } from './key-loop.ts'
import { as, type Meta, type OwnerReference } from './model.ts'
import { ignoreGone } from './replica-set.ts'

/** The events of a deployment's life come by the thousand and are never owned. */
const IGNORED: ReadonlySet<string> = new Set(['events', 'leases.coordination.k8s.io'])

/**
 * Deletes objects whose owners are all gone, and carries out foreground and orphan deletions.
 * Keys are `storage key` of the object to look at.
 */
export function garbageCollector(context: ControllerContext): Controller {
  const graph = new OwnerGraph()
  const loop = new KeyLoop({ name: 'garbagecollector', reconcile: key => collect(context, graph, key), clock: context.clock, logger: context.logger })
  const look = (storage: string, key: string, object: KubeObject): void => {
    graph.add(`${storage} ${key}`, object)
    if (ownersOf(object).length > 0 || finalizerOf(object) !== undefined) loop.add(`${storage} ${key}`)
  }
  for (const storage of context.storage.storages()) {
    if (IGNORED.has(storage)) continue
    for (const object of context.storage.list(storage)) look(storage, keyOf(object), object)
  }
  context.storage.subscribe(({ kind, storage, key, now, before }) => {
    if (IGNORED.has(storage)) return
    if (before !== undefined) graph.remove(`${storage} ${key}`, before.object)
    if (kind !== 'deleted') return look(storage, key, now.object)
    for (const id of graph.dependentsOf(now.object.metadata.uid)) loop.add(id)
    // An owner in foreground deletion waits for this one.
    for (const owner of ownersOf(now.object)) {
      const id = graph.idOf(owner.uid)
      if (id !== undefined) loop.add(id)
    }
  })
  return { name: 'garbagecollector', loop }
}

/** Who owns whom. */
class OwnerGraph {
  readonly #ids = new Map<string, string>()
  readonly #dependents = new Map<string, Set<string>>()

  add(id: string, object: KubeObject): void {
    this.#ids.set(object.metadata.uid, id)
    for (const { uid } of ownersOf(object)) this.#dependents.getOrInsertComputed(uid, () => new Set()).add(id)
  }

  remove(id: string, object: KubeObject): void {
    this.#ids.delete(object.metadata.uid)
    for (const { uid } of ownersOf(object)) {
      const ids = this.#dependents.get(uid)
      ids?.delete(id)
      if (ids?.size === 0) this.#dependents.delete(uid)
    }
  }

  idOf(uid: string): string | undefined {
    return this.#ids.get(uid)
  }

  dependentsOf(uid: string): readonly string[] {
    return [...(this.#dependents.get(uid) ?? [])]
  }
}

function ownersOf(object: KubeObject): readonly OwnerReference[] {
  return as<{ readonly metadata: Meta }>(object).metadata.ownerReferences ?? []
}

function keyOf({ metadata }: KubeObject): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`
}

function finalizerOf(object: KubeObject): 'foregroundDeletion' | 'orphan' | undefined {
  if (object.metadata.deletionTimestamp === undefined) return undefined
  return (['foregroundDeletion', 'orphan'] as const).find(name => object.metadata.finalizers?.includes(name))
}

async function collect(context: ControllerContext, graph: OwnerGraph, id: string): Promise<void> {
  const object = lookUp(context, id)
  if (object === undefined) return
  const path = pathOf(context, id)
  if (path === undefined) return
  const owners = ownersOf(object)
  if (owners.length > 0 && owners.every(owner => graph.idOf(owner.uid) === undefined) && object.metadata.deletionTimestamp === undefined) {
    await context.client.request('DELETE', path, { body: { preconditions: { uid: object.metadata.uid } } }).catch(ignoreGone)
    return
  }
  const finalizer = finalizerOf(object)
  if (finalizer === undefined) return
  const dependents = graph.dependentsOf(object.metadata.uid)
  if (finalizer === 'orphan') for (const dependent of dependents) await disown(context, dependent, object.metadata.uid)
  else if (await deleteDependents(context, dependents, object.metadata.uid)) return
  const finalizers = (object.metadata.finalizers ?? []).filter(name => name !== finalizer)
  await context.client.request('PATCH', path, { contentType: 'application/merge-patch+json', body: { metadata: { finalizers } } }).catch(ignoreGone)
}

function lookUp(context: ControllerContext, id: string): KubeObject | undefined {
  const space = id.indexOf(' ')
  return context.storage.get(id.slice(0, space), id.slice(space + 1))
}

function pathOf(context: ControllerContext, id: string): string | undefined {
  const space = id.indexOf(' ')
  return context.storage.pathOf(id.slice(0, space), id.slice(space + 1))
}

async function disown(context: ControllerContext, id: string, uid: string): Promise<void> {
  const object = lookUp(context, id)
  const path = pathOf(context, id)
  if (object === undefined || path === undefined) return
  const ownerReferences = ownersOf(object).filter(owner => owner.uid !== uid)
  await context.client.request('PATCH', path, { contentType: 'application/merge-patch+json', body: { metadata: { ownerReferences } } }).catch(ignoreGone)
}

/** Deletes what an owner owns; true while something that blocks its deletion is left. */
async function deleteDependents(context: ControllerContext, dependents: readonly string[], uid: string): Promise<boolean> {
  let blocked = false
  for (const id of dependents) {
    const object = lookUp(context, id)
    const path = pathOf(context, id)
    if (object === undefined || path === undefined) continue
    if (object.metadata.deletionTimestamp === undefined) await context.client.request('DELETE', path, { body: { propagationPolicy: 'Foreground' } }).catch(ignoreGone)
    const blocks = ownersOf(object).some(owner => owner.uid === uid && owner.blockOwnerDeletion === true)
    if (blocks && lookUp(context, id) !== undefined) blocked = true
  }
  return blocked
}

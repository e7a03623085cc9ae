import { CLEANUP_FINALIZER } from '../apiserver/crd/definition.ts'
import { DEFINITIONS } from '../apiserver/crd/custom-kinds.ts'
import { addAll, type Controller, type ControllerContext } from './controller.ts'
import { KeyLoop } from './key-loop.ts'
import { ignoreGone } from './replica-set.ts'

/** Removes the objects of a definition that is being deleted, then lets it go. The name of a definition is its storage's. */
export function customResourceController(context: ControllerContext): Controller {
  const loop = new KeyLoop({ name: 'customresources', reconcile: key => reconcile(context, key), clock: context.clock, logger: context.logger })
  addAll(context, DEFINITIONS, loop)
  context.storage.subscribe(({ kind, storage }) => {
    if (kind === 'deleted' && context.storage.get(DEFINITIONS, storage)?.metadata.deletionTimestamp !== undefined) loop.add(storage)
  })
  return { name: 'customresources', loop }
}

async function reconcile({ storage, client }: ControllerContext, name: string): Promise<void> {
  const definition = storage.get(DEFINITIONS, name)
  if (definition?.metadata.deletionTimestamp === undefined) return
  for (const { metadata } of storage.list(name)) {
    const path = storage.pathOf(name, metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`)
    if (metadata.deletionTimestamp === undefined && path !== undefined) await client.request('DELETE', path).catch(ignoreGone)
  }
  if (storage.list(name).length > 0) return
  const finalizers = (definition.metadata.finalizers ?? []).filter(finalizer => finalizer !== CLEANUP_FINALIZER)
  await client.request('PATCH', `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`, { contentType: 'application/merge-patch+json', body: { metadata: { finalizers } } }).catch(ignoreGone)
}

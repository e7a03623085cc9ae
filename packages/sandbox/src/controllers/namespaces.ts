import type { JsonObject } from '../apiserver/json.ts'
import { isAlreadyExists } from '@weft/kube'
import { addAll, type Controller, type ControllerContext } from './controller.ts'
import { KeyLoop } from './key-loop.ts'
import { ignoreGone } from './replica-set.ts'

/** Gives every namespace its default ServiceAccount and root certificate, and empties those that are being deleted. */
export function namespaceController(context: ControllerContext, options: { ca: string }): Controller {
  const loop = new KeyLoop({ name: 'namespace', reconcile: key => reconcile(context, key, options.ca), clock: context.clock, logger: context.logger })
  addAll(context, 'namespaces', loop)
  context.storage.subscribe(({ kind, now }) => {
    const { namespace } = now.object.metadata
    // The last object to go lets a terminating namespace go; a deleted default account comes back.
    if (kind === 'deleted' && namespace !== undefined) loop.add(namespace)
  })
  return { name: 'namespace', loop }
}

async function reconcile(context: ControllerContext, name: string, ca: string): Promise<void> {
  const namespace = context.storage.get('namespaces', name)
  if (namespace === undefined) return
  if (namespace.metadata.deletionTimestamp !== undefined) return empty(context, name)
  const at = `/api/v1/namespaces/${name}`
  await createIfAbsent(context, { storage: 'serviceaccounts', path: `${at}/serviceaccounts`, key: `${name}/default`, body: { metadata: { name: 'default' } } })
  await createIfAbsent(context, { storage: 'configmaps', path: `${at}/configmaps`, key: `${name}/kube-root-ca.crt`, body: { metadata: { name: 'kube-root-ca.crt' }, data: { 'ca.crt': ca } } })
}

async function createIfAbsent(context: ControllerContext, wanted: { storage: string, path: string, key: string, body: JsonObject }): Promise<void> {
  if (context.storage.get(wanted.storage, wanted.key) !== undefined) return
  await context.client.request('POST', wanted.path, { body: wanted.body }).catch((error: unknown) => {
    if (!isAlreadyExists(error)) throw error
  })
}

async function empty(context: ControllerContext, name: string): Promise<void> {
  const { storage, client } = context
  let left = 0
  for (const kind of storage.namespacedStorages()) {
    for (const { metadata } of storage.list(kind, name)) {
      const path = storage.pathOf(kind, `${name}/${metadata.name}`)
      if (metadata.deletionTimestamp === undefined && path !== undefined) await client.request('DELETE', path).catch(ignoreGone)
      // Pods with a grace period and objects with finalizers are still there.
      if (storage.get(kind, `${name}/${metadata.name}`) !== undefined) left++
    }
  }
  if (left > 0) return
  const namespace = storage.get('namespaces', name)
  if (namespace !== undefined) await client.request('PUT', `/api/v1/namespaces/${name}/finalize`, { body: { ...namespace, spec: { finalizers: [] } } })
}

import type { KubeObject } from './json.ts'
import { apiVersionOf, type Kind } from './kind.ts'
import type { KindRegistry } from './registry.ts'
import type { ObjectStore, StoreEvent } from './store.ts'

/** Reads of the state as it is now: no cache that could lag behind, since reader and writer share the process. */
export interface StoragePort {
  /** @param storage E.g. `pods`, `deployments.apps`. @param key `namespace/name`, or `name`. */
  get(storage: string, key: string): KubeObject | undefined
  /** Objects by key, of one namespace or all. */
  list(storage: string, namespace?: string): readonly KubeObject[]
  /** Calls `listener` inside every write; it must only take notes. */
  subscribe(listener: (event: StoreEvent) => void, storage?: string): () => void
  /** The request path of an object; undefined when its kind is not served any more. */
  pathOf(storage: string, key: string): string | undefined
  /** Names of all storages whose objects live in namespaces. */
  namespacedStorages(): readonly string[]
  /** Names of all storages that hold or held something. */
  storages(): readonly string[]
}

/** The port over a store. */
export function storagePort(store: ObjectStore, registry: KindRegistry): StoragePort {
  return {
    get: (storage, key) => store.get(storage, key)?.object,
    list: (storage, namespace) => store.list(storage, namespace).map(item => item.object),
    subscribe: (listener, storage) => store.subscribe(listener, storage),
    pathOf: (storage, key) => {
      const kind = registry.all().find(candidate => candidate.storage === storage)
      return kind === undefined ? undefined : pathOfObject(kind, key)
    },
    namespacedStorages: () => [...new Set(registry.all().filter(kind => kind.namespaced).map(kind => kind.storage))],
    storages: () => store.storages(),
  }
}

/** The request path of an object. @param key As in its storage. */
function pathOfObject(kind: Kind, key: string): string {
  const slash = key.indexOf('/')
  const namespace = slash === -1 ? '' : `namespaces/${key.slice(0, slash)}/`
  return `/${kind.group === '' ? 'api' : 'apis'}/${apiVersionOf(kind)}/${namespace}${kind.resource}/${key.slice(slash + 1)}`
}

import type { StoredObject } from '../object.ts'
import { Store, type StoreOptions } from '../store.ts'

/**
 * A synced store with this content, for tests of features. Change it with `put` and `remove`.
 *
 * @param objects Trimmed objects; they are frozen.
 */
export function storeOf<T extends StoredObject>(objects: Iterable<T> = [], options: StoreOptions<T> = {}): Store<T> {
  const store = new Store<T>(options)
  store.replace(objects)
  return store
}

// Read first: "Resource versions" in the Kubernetes API concepts, KEP-5504 (comparable resource versions).
import type { Clock } from '@weft/daemon'
import type { KubeClient } from './client.ts'
import { isNotFound } from './errors.ts'
import { compareResourceVersions, identityOf, isRecord, keyOf, resourceVersionOf, type StoredObject } from './object.ts'
import type { Resource } from './resource.ts'
import type { Store } from './store.ts'

export interface CatchUpOptions {
  /** Where the objects are that matter, if not all of the resource. @default resource.path */
  readonly path?: string | undefined
  readonly fieldSelector?: string | undefined
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** How often the store is looked at: an update that changes nothing is told to nobody. */
const lookMs = 5
/** After so many looks the server is asked anew: what was waited for may be gone. */
const looksAtMost = 100

/**
 * Resolves when a store has everything that the server has of a collection now: a watch tells of objects in their order, but watches of different
 * kinds do not wait for each other. What the server has no more may be in the store still.
 *
 * @returns The version the server had then; undefined when it has no such kind.
 * @throws {KubeError} When the server cannot be asked; the signal's reason when it aborts.
 */
export async function catchUp<T extends StoredObject>(client: KubeClient, resource: Resource<T>, store: Store<T>, options: CatchUpOptions): Promise<string | undefined> {
  const { clock, signal } = options
  for (;;) {
    const { version, wanted } = await listed(client, resource, options)
    for (let look = 0; look < looksAtMost; look += 1) {
      if (wanted.every(({ key, resourceVersion }) => isThere(store.get(key), resourceVersion))) return version
      await clock.sleep(lookMs, { signal })
    }
  }
}

interface Listed {
  readonly version: string | undefined
  readonly wanted: readonly { readonly key: string, readonly resourceVersion: string }[]
}

async function listed<T extends StoredObject>(client: KubeClient, { path, optional }: Resource<T>, options: CatchUpOptions): Promise<Listed> {
  const { fieldSelector, signal } = options
  try {
    // The newest, which no watch may have told yet. "Not older than" the version of an object of another kind is not asked for: the cache of a kind that is quiet may be seconds behind, and the server then refuses.
    const list = await client.request('GET', options.path ?? path, { query: { fieldSelector }, signal })
    const items: readonly unknown[] = isRecord(list) && Array.isArray(list['items']) ? list['items'] : []
    return { version: resourceVersionOf(list), wanted: items.map(identityOf).map((identity) => ({ key: keyOf(identity), resourceVersion: identity.resourceVersion })) }
  } catch (error) {
    if (optional === true && isNotFound(error)) return { version: undefined, wanted: [] }
    throw error
  }
}

/** Versions that cannot be compared are taken as they come. */
function isThere(object: StoredObject | undefined, resourceVersion: string): boolean {
  return object !== undefined && compareResourceVersions(object.resourceVersion, resourceVersion) !== -1
}

import type { WatchEvent } from './client.ts'
import { deepFreeze } from './equal.ts'
import { KubeError } from './errors.ts'
import { compareResourceVersions, type Identity, identityOf, keyOf, resourceVersionOf, type StoredObject } from './object.ts'
import type { Resource } from './resource.ts'
import type { Store } from './store.ts'

/** What a fold tells its owner. */
export interface FoldReports {
  /** A version of an object was refused; told once per version. */
  readonly refused: (object: unknown, error: unknown) => void
  /** A listener threw; the store is complete all the same. */
  readonly listenerFailed: (error: unknown) => void
}

/** A complete set being gathered, before anything of it is believed. */
export class Staging<T> {
  readonly objects: Map<string, T> = new Map()
  /** Present on the server but refused: key -> uid. */
  readonly refused: Map<string, string> = new Map()
}

/**
 * Folds what the server sends into a store. Duplicates and replays of what was folded before
 * change nothing; an object that cannot be trimmed is refused alone.
 *
 * Refusal keeps the version accepted before, as long as it is the same object (uid): a bad edit
 * must not take down what works. A refused object under a reused name removes the old one.
 */
export class Fold<T extends StoredObject> {
  readonly #resource: Resource<T>
  readonly #store: Store<T>
  readonly #reports: FoldReports
  /** Key -> resourceVersion of the version last refused. */
  readonly #refused = new Map<string, string>()
  #position = ''

  constructor(resource: Resource<T>, store: Store<T>, reports: FoldReports) {
    this.#resource = resource
    this.#store = store
    this.#reports = reports
  }

  /** Everything up to this resourceVersion is in the store; empty before the first complete set. */
  get position(): string {
    return this.#position
  }

  /** Objects on the server that the store does not show as they are. */
  get refusedCount(): number {
    return this.#refused.size
  }

  /** Adds one object of a complete set. */
  stage(staging: Staging<T>, object: unknown): void {
    const identity = this.#identify(object)
    if (identity === undefined) return
    const key = keyOf(identity)
    const value = this.#trim(object, identity, key)
    if (value === undefined) {
      staging.objects.delete(key)
      staging.refused.set(key, identity.uid)
    } else {
      staging.refused.delete(key)
      staging.objects.set(key, value)
    }
  }

  /** Takes one object out of a complete set again. */
  unstage(staging: Staging<T>, object: unknown): void {
    const identity = this.#identify(object)
    if (identity === undefined) return
    staging.objects.delete(keyOf(identity))
    staging.refused.delete(keyOf(identity))
  }

  /** How many objects of the store the set would remove. */
  removals(staging: Staging<T>): number {
    const keep = this.#kept(staging)
    let count = 0
    for (const key of this.#store.keys()) {
      if (!staging.objects.has(key) && !keep.has(key)) count += 1
    }
    return count
  }

  /** Makes a complete set, true as of `position`, the content of the store. */
  commit(staging: Staging<T>, position: string): void {
    for (const key of this.#refused.keys()) {
      if (!staging.refused.has(key)) this.#refused.delete(key)
    }
    this.#position = position
    this.#write(() => this.#store.replace(staging.objects.values(), { keep: this.#kept(staging) }))
  }

  /**
   * Folds one event in.
   *
   * @returns False for a duplicate or replay.
   */
  apply(event: WatchEvent): boolean {
    if (event.type === 'BOOKMARK') {
      this.#advance(resourceVersionOf(event.object))
      return true
    }
    const identity = this.#identify(event.object)
    if (identity === undefined) {
      this.#advance(resourceVersionOf(event.object))
      return true
    }
    const fresh = event.type === 'DELETED' ? this.#removed(identity) : this.#changed(event.object, identity)
    if (fresh) this.#advance(identity.resourceVersion)
    return fresh
  }

  #changed(object: unknown, identity: Identity): boolean {
    const order = compareResourceVersions(identity.resourceVersion, this.#position)
    // A watch tells changes in order: what is not after our position was folded before.
    if (order === -1 || order === 0) return false
    const key = keyOf(identity)
    const value = this.#trim(object, identity, key)
    if (value !== undefined) {
      this.#refused.delete(key)
      this.#write(() => this.#store.put(value))
    } else if (this.#store.get(key)?.uid !== identity.uid) {
      this.#write(() => this.#store.remove(key))
    }
    return true
  }

  #removed(identity: Identity): boolean {
    const key = keyOf(identity)
    const held = this.#store.get(key)
    // The same object is compared with itself, not with our position: some servers send a
    // deletion with the object's last version instead of the deletion's own.
    const since = held?.uid === identity.uid ? held.resourceVersion : this.#position
    const order = compareResourceVersions(identity.resourceVersion, since)
    if (order === -1 || (order === 0 && held !== undefined && held.uid !== identity.uid)) return false
    this.#refused.delete(key)
    this.#write(() => this.#store.remove(key))
    return true
  }

  #kept(staging: Staging<T>): Set<string> {
    return new Set([...staging.refused].filter(([key, uid]) => this.#store.get(key)?.uid === uid).map(([key]) => key))
  }

  #identify(object: unknown): Identity | undefined {
    try {
      return identityOf(object)
    } catch (error) {
      this.#reports.refused(object, error)
      return undefined
    }
  }

  #trim(object: unknown, identity: Identity, key: string): T | undefined {
    try {
      const value = deepFreeze(this.#resource.trim(object))
      if (keyOf(value) === key && value.uid === identity.uid) return value
      throw new KubeError('ERR_KUBE_OBJECT', `Cannot store ${this.#resource.name} "${key}": trimmed to ${keyOf(value)} (uid ${value.uid}), want the same namespace, name and uid`)
    } catch (error) {
      const known = this.#refused.get(key)
      this.#refused.set(key, identity.resourceVersion)
      // A relist brings the same bad version again; one report is enough.
      if (known === undefined || known !== identity.resourceVersion) this.#reports.refused(object, error)
      return undefined
    }
  }

  #advance(resourceVersion: string): void {
    if (resourceVersion === '' || compareResourceVersions(resourceVersion, this.#position) === -1) return
    this.#position = resourceVersion
  }

  #write(change: () => void): void {
    try {
      change()
    } catch (error) {
      this.#reports.listenerFailed(error)
    }
  }
}

import { deepFreeze, equalValue } from './equal.ts'
import { KubeError } from './errors.ts'
import { keyOf, type StoredObject } from './object.ts'
import { StoreIndex, type IndexFunction } from './store-index.ts'

/** One change of a store; the store already shows it when a listener is called. */
export type Change<T> =
  | { readonly kind: 'added', readonly key: string, readonly old?: undefined, readonly new: T }
  | { readonly kind: 'updated', readonly key: string, readonly old: T, readonly new: T }
  | { readonly kind: 'removed', readonly key: string, readonly old: T, readonly new?: undefined }

export type Listener<T> = (change: Change<T>) => void

export interface StoreOptions<T> {
  readonly indexes?: Readonly<Record<string, IndexFunction<T>>> | undefined
}

/**
 * The objects of one resource as the API server last told us: trimmed, frozen, indexed.
 *
 * Promises (DESIGN.md K1-K5): `hasSynced` is never true before one complete set was in; changes
 * reach listeners synchronously, in order, each once; an update that changes nothing but
 * `resourceVersion` is kept silently; indexes agree with the content at every moment a listener
 * can look. Only a reflector (or a test) writes.
 */
export class Store<T extends StoredObject> {
  readonly #objects = new Map<string, T>()
  readonly #indexes = new Map<string, StoreIndex<T>>()
  readonly #synced = Promise.withResolvers<void>()
  #listeners: readonly Listener<T>[] = []
  #hasSynced = false
  /** Why it does not follow the API server, in one sentence; undefined while it does, and before that was tried. Only a reflector writes. */
  trouble: string | undefined

  constructor(options: StoreOptions<T> = {}) {
    for (const [name, keysOf] of Object.entries(options.indexes ?? {})) this.addIndex(name, keysOf)
  }

  get size(): number {
    return this.#objects.size
  }

  /** True once a complete initial set is in; stays true through outages (the last known state). */
  get hasSynced(): boolean {
    return this.#hasSynced
  }

  /** Resolves at the first complete set; rejects with the signal's reason when aborted before. */
  async whenSynced(signal?: AbortSignal): Promise<void> {
    if (this.#hasSynced) return
    if (signal === undefined) return await this.#synced.promise
    signal.throwIfAborted()
    const aborted = Promise.withResolvers<never>()
    const onAbort = (): void => aborted.reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      await Promise.race([this.#synced.promise, aborted.promise])
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  /** @param key `namespace/name`, or `name` for cluster-scoped kinds. */
  get(key: string): T | undefined {
    return this.#objects.get(key)
  }

  has(key: string): boolean {
    return this.#objects.has(key)
  }

  keys(): IterableIterator<string> {
    return this.#objects.keys()
  }

  /** All objects, in no particular order. */
  values(): IterableIterator<T> {
    return this.#objects.values()
  }

  /**
   * The objects an index lists under a key, in no particular order; frozen.
   *
   * @throws {RangeError} If there is no such index.
   */
  by(index: string, key: string): readonly T[] {
    return this.#index(index).by(key)
  }

  /** The keys under which an index lists anything. */
  indexKeys(index: string): IterableIterator<string> {
    return this.#index(index).keys()
  }

  /** Adds an index over present and future content; a second one of the same name replaces the first. */
  addIndex(name: string, keysOf: IndexFunction<T>): void {
    const index = new StoreIndex(keysOf)
    for (const [key, object] of this.#objects) index.move(key, undefined, object)
    this.#indexes.set(name, index)
  }

  /**
   * Calls `listener` at every change from now on.
   *
   * @param options.replay First tells the present content as `added` changes, before returning.
   * @returns Ends the subscription.
   */
  subscribe(listener: Listener<T>, options: { readonly replay?: boolean | undefined } = {}): () => void {
    const own: Listener<T> = (change) => listener(change)
    // From here on `own` sees every change; one made by the listener itself during replay included.
    const present = options.replay === true ? [...this.#objects] : []
    this.#listeners = [...this.#listeners, own]
    for (const [key, object] of present) listener({ kind: 'added', key, new: object })
    return () => {
      this.#listeners = this.#listeners.filter((known) => known !== own)
    }
  }

  /**
   * Adds or updates one object; freezes it.
   *
   * @throws {KubeError} `ERR_KUBE_LISTENER`, after the store and all listeners have the change, if a listener threw.
   */
  put(object: T): void {
    const faults: unknown[] = []
    this.#put(keyOf(object), object, faults)
    raise(faults)
  }

  /** Removes one object if it is there. Throws as {@link Store.put} does. */
  remove(key: string): void {
    const faults: unknown[] = []
    this.#remove(key, faults)
    raise(faults)
  }

  /**
   * Makes `objects` the whole content and the store synced. Only differences are told: removals
   * first, so that a listener never sees an address with its old and its new owner at once.
   * Throws as {@link Store.put} does.
   *
   * @param options.keep Keys that stay though they are not among `objects` (refused ones).
   */
  replace(objects: Iterable<T>, options: { readonly keep?: ReadonlySet<string> | undefined } = {}): void {
    const faults: unknown[] = []
    const next = new Map<string, T>()
    for (const object of objects) next.set(keyOf(object), object)
    for (const key of this.#objects.keys()) {
      if (!next.has(key) && options.keep?.has(key) !== true) this.#remove(key, faults)
    }
    for (const [key, object] of next) this.#put(key, object, faults)
    this.#hasSynced = true
    this.#synced.resolve()
    raise(faults)
  }

  #put(key: string, object: T, faults: unknown[]): void {
    deepFreeze(object)
    const old = this.#objects.get(key)
    this.#objects.set(key, object)
    for (const index of this.#indexes.values()) index.move(key, old, object)
    if (old === undefined) this.#tell({ kind: 'added', key, new: object }, faults)
    else if (!equalValue(old, object)) this.#tell({ kind: 'updated', key, old, new: object }, faults)
  }

  #remove(key: string, faults: unknown[]): void {
    const old = this.#objects.get(key)
    if (old === undefined) return
    this.#objects.delete(key)
    for (const index of this.#indexes.values()) index.move(key, old, undefined)
    this.#tell({ kind: 'removed', key, old }, faults)
  }

  #tell(change: Change<T>, faults: unknown[]): void {
    for (const listener of this.#listeners) {
      try {
        listener(change)
      } catch (error) {
        faults.push(error)
      }
    }
  }

  #index(name: string): StoreIndex<T> {
    const index = this.#indexes.get(name)
    if (index === undefined) throw new RangeError(`Cannot read index "${name}": the store has ${[...this.#indexes.keys()].join(', ') || 'none'}`)
    return index
  }
}

function raise(faults: readonly unknown[]): void {
  if (faults.length === 0) return
  throw new KubeError('ERR_KUBE_LISTENER', `Cannot tell all listeners: ${faults.length} of them threw, the store itself is complete`, {
    cause: faults.length === 1 ? faults[0] : new AggregateError(faults),
  })
}

/** Which index keys an object is found under; `undefined` or an empty list for none. */
export type IndexFunction<T> = (object: T) => readonly string[] | string | undefined

const nothing: readonly never[] = Object.freeze([])

/** One secondary index: index key -> the objects under it, kept up to date change by change. */
export class StoreIndex<T> {
  readonly #keysOf: IndexFunction<T>
  readonly #buckets = new Map<string, Map<string, T>>()
  /** Arrays handed out since the last change of their bucket: reading twice costs nothing. */
  readonly #arrays = new Map<string, readonly T[]>()

  constructor(keysOf: IndexFunction<T>) {
    this.#keysOf = keysOf
  }

  by(indexKey: string): readonly T[] {
    const known = this.#arrays.get(indexKey)
    if (known !== undefined) return known
    const bucket = this.#buckets.get(indexKey)
    if (bucket === undefined) return nothing
    const objects = Object.freeze([...bucket.values()])
    this.#arrays.set(indexKey, objects)
    return objects
  }

  keys(): IterableIterator<string> {
    return this.#buckets.keys()
  }

  /** Moves `key` from where `old` was found to where `next` is found. */
  move(key: string, old: T | undefined, next: T | undefined): void {
    const before = old === undefined ? nothing : this.#list(old)
    const after = next === undefined ? nothing : this.#list(next)
    for (const indexKey of before) {
      if (!after.includes(indexKey)) this.#drop(indexKey, key)
    }
    for (const indexKey of after) {
      let bucket = this.#buckets.get(indexKey)
      if (bucket === undefined) this.#buckets.set(indexKey, bucket = new Map())
      bucket.set(key, next!)
      this.#arrays.delete(indexKey)
    }
  }

  #drop(indexKey: string, key: string): void {
    const bucket = this.#buckets.get(indexKey)
    if (bucket === undefined) return
    bucket.delete(key)
    this.#arrays.delete(indexKey)
    if (bucket.size === 0) this.#buckets.delete(indexKey)
  }

  #list(object: T): readonly string[] {
    const keys = this.#keysOf(object)
    return keys === undefined ? nothing : typeof keys === 'string' ? [keys] : keys
  }
}

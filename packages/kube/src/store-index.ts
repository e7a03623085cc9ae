import { keyOf, type StoredObject } from './object.ts'

/** Which index keys an object is found under; `undefined` or an empty list for none. */
export type IndexFunction<T> = (object: T) => readonly string[] | string | undefined

const nothing: readonly never[] = Object.freeze([])
/** So many objects under one key are a list; a change of more would copy too much. */
const few = 16

/** One secondary index: index key -> the objects under it, kept up to date change by change. */
export class StoreIndex<T extends StoredObject> {
  readonly #keysOf: IndexFunction<T>
  /** Few objects under a key are a frozen list, made anew at every change: as most are, and as they are read. */
  readonly #few = new Map<string, readonly T[]>()
  readonly #many = new Map<string, Map<string, T>>()
  /** Lists handed out since the last change of their bucket: reading twice costs nothing. */
  readonly #lists = new Map<string, readonly T[]>()

  constructor(keysOf: IndexFunction<T>) {
    this.#keysOf = keysOf
  }

  by(indexKey: string): readonly T[] {
    const known = this.#few.get(indexKey) ?? this.#lists.get(indexKey)
    if (known !== undefined) return known
    const bucket = this.#many.get(indexKey)
    if (bucket === undefined) return nothing
    const objects = Object.freeze([...bucket.values()])
    this.#lists.set(indexKey, objects)
    return objects
  }

  *keys(): IterableIterator<string> {
    yield* this.#few.keys()
    yield* this.#many.keys()
  }

  /** Moves `key` from where `old` was found to where `next` is found. */
  move(key: string, old: T | undefined, next: T | undefined): void {
    const before = old === undefined ? nothing : this.#list(old)
    const after = next === undefined ? nothing : this.#list(next)
    for (const indexKey of before) {
      if (!after.includes(indexKey)) this.#drop(indexKey, key, old)
    }
    for (const indexKey of after) this.#put(indexKey, key, { old, next: next! })
  }

  #put(indexKey: string, key: string, { old, next }: { readonly old: T | undefined, readonly next: T }): void {
    const bucket = this.#many.get(indexKey)
    if (bucket !== undefined) {
      bucket.set(key, next)
      this.#lists.delete(indexKey)
      return
    }
    const others = (this.#few.get(indexKey) ?? nothing).filter((object) => object !== old && object !== next)
    // Spread out, a list of one takes room for seventeen.
    const list = Object.freeze(others.length === 0 ? [next] : [...others, next])
    if (list.length <= few) this.#few.set(indexKey, list)
    else {
      this.#few.delete(indexKey)
      this.#many.set(indexKey, new Map(list.map((object) => [keyOf(object), object])))
    }
  }

  #drop(indexKey: string, key: string, old: T | undefined): void {
    const bucket = this.#many.get(indexKey)
    if (bucket === undefined) {
      const left = (this.#few.get(indexKey) ?? nothing).filter((object) => object !== old)
      if (left.length === 0) this.#few.delete(indexKey)
      else this.#few.set(indexKey, Object.freeze(left))
      return
    }
    bucket.delete(key)
    this.#lists.delete(indexKey)
    if (bucket.size === 0) this.#many.delete(indexKey)
  }

  #list(object: T): readonly string[] {
    const keys = this.#keysOf(object)
    return keys === undefined ? nothing : typeof keys === 'string' ? [keys] : keys
  }
}

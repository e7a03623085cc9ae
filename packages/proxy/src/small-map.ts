/**
 * A map of nearly always one entry, which then costs a tenth of what a `Map` does: there is one for each of tens of thousands of addresses. In order of insertion, as
 * any map.
 */
export class SmallMap<V> {
  /** The only entry; undefined when there is none, or more than one. */
  #key: string | undefined
  #value: V | undefined
  #all: Map<string, V> | undefined

  get size(): number {
    return this.#all?.size ?? (this.#key === undefined ? 0 : 1)
  }

  get(key: string): V | undefined {
    return this.#all === undefined ? (this.#key === key ? this.#value : undefined) : this.#all.get(key)
  }

  set(key: string, value: V): void {
    if (this.#all === undefined && (this.#key === undefined || this.#key === key)) {
      this.#key = key
      this.#value = value
      return
    }
    this.#all ??= new Map(this.entries())
    this.#key = this.#value = undefined
    this.#all.set(key, value)
  }

  delete(key: string): void {
    if (this.#all !== undefined) this.#all.delete(key)
    else if (this.#key === key) this.#key = this.#value = undefined
  }

  keys(): Iterable<string> {
    return this.#all?.keys() ?? (this.#key === undefined ? [] : [this.#key])
  }

  values(): Iterable<V> {
    return this.#all?.values() ?? (this.#key === undefined ? [] : [this.#value!])
  }

  entries(): Iterable<readonly [key: string, value: V]> {
    return this.#all?.entries() ?? (this.#key === undefined ? [] : [[this.#key, this.#value!]])
  }
}

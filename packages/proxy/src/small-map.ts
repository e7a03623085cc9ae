/**
 * A map of nearly always one entry, which then costs a tenth of what a `Map` does: there is one for each of tens of thousands of addresses. In order of insertion, as
 * any map.
 */
export class SmallMap<V> {
  #only: readonly [key: string, value: V] | undefined
  #all: Map<string, V> | undefined

  get size(): number {
    return this.#all?.size ?? (this.#only === undefined ? 0 : 1)
  }

  get(key: string): V | undefined {
    return this.#all === undefined ? (this.#only?.[0] === key ? this.#only[1] : undefined) : this.#all.get(key)
  }

  set(key: string, value: V): void {
    if (this.#all === undefined && (this.#only === undefined || this.#only[0] === key)) {
      this.#only = [key, value]
      return
    }
    this.#all ??= new Map([this.#only!])
    this.#only = undefined
    this.#all.set(key, value)
  }

  delete(key: string): void {
    if (this.#all !== undefined) this.#all.delete(key)
    else if (this.#only?.[0] === key) this.#only = undefined
  }

  keys(): Iterable<string> {
    return this.#all?.keys() ?? (this.#only === undefined ? [] : [this.#only[0]])
  }

  values(): Iterable<V> {
    return this.#all?.values() ?? (this.#only === undefined ? [] : [this.#only[1]])
  }

  entries(): Iterable<readonly [key: string, value: V]> {
    return this.#all?.entries() ?? (this.#only === undefined ? [] : [this.#only])
  }
}

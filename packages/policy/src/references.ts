/** Counts who needs a thing of some name, and tells when the first comes and the last goes. */
export class References<T> {
  readonly #counts = new Map<string, { readonly thing: T, count: number }>()

  /** @returns True for the first. */
  add(name: string, thing: T): boolean {
    const held = this.#counts.get(name)
    if (held !== undefined) {
      held.count += 1
      return false
    }
    this.#counts.set(name, { thing, count: 1 })
    return true
  }

  /** @returns True for the last. */
  remove(name: string): boolean {
    const held = this.#counts.get(name)
    if (held === undefined) return false
    held.count -= 1
    if (held.count > 0) return false
    this.#counts.delete(name)
    return true
  }

  get size(): number {
    return this.#counts.size
  }

  values(): Iterable<T> {
    return this.#counts.values().map(({ thing }) => thing)
  }
}

import type { MapElement, SetElement } from '@weft/nftables'
import type { Element } from './compile.ts'
import { type Family, sets } from './table.ts'

/** What has to be written to make the kernel's elements those that are wanted now. */
export interface ElementChanges {
  /** Also with other data than before: the old element stands in `removed`. */
  readonly added: readonly Element[]
  readonly removed: readonly Element[]
}

interface Claim {
  readonly element: Element
  count: number
}

/**
 * The elements wanted by all Services together. Several Services may want one element (hairpin pairs of one pod, and
 * hostile duplicates of an address), so claims are counted. Of claims with different data the least text wins:
 * whatever the order of events, the result is the same (promise P11).
 */
export class ElementCounts {
  /** set -> id -> value -> claim; nearly always one value. */
  readonly #claims = new Map<string, Map<string, Map<string, Claim>>>()

  add(elements: readonly Element[]): void {
    for (const element of elements) {
      const values = this.#claims.getOrInsertComputed(element.set.name, () => new Map<string, Map<string, Claim>>()).getOrInsertComputed(element.id, () => new Map<string, Claim>())
      const claim = values.get(element.value)
      if (claim === undefined) values.set(element.value, { element, count: 1 })
      else claim.count += 1
    }
  }

  /** Replaces the claims of some Services by others and tells what that means for the kernel. In the size of those Services. */
  replace(before: readonly Element[], after: readonly Element[]): ElementChanges {
    const touched = new Map<string, { readonly set: string, readonly id: string, readonly old: Element | undefined }>()
    for (const { set, id } of [...before, ...after]) {
      const key = `${set.name} ${id}`
      if (!touched.has(key)) touched.set(key, { set: set.name, id, old: this.#winner(set.name, id) })
    }
    this.#remove(before)
    this.add(after)
    const added: Element[] = []
    const removed: Element[] = []
    for (const { set, id, old } of touched.values()) {
      const now = this.#winner(set, id)
      if (old?.value === now?.value) continue
      if (old !== undefined) removed.push(old)
      if (now !== undefined) added.push(now)
    }
    return { added, removed }
  }

  /** Elements of one set or map, in order of id. */
  of(set: string): readonly (SetElement & MapElement)[]
  of(set: string): readonly (SetElement | MapElement)[] {
    return [...this.#claims.get(set)?.keys() ?? []].sort().map((id) => this.#winner(set, id)!.element)
  }

  /** Distinct numbers of backends in use, ascending. */
  backendCounts(family: Family): readonly number[] {
    const counts = new Set<number>()
    for (const values of this.#claims.get(sets[family].service.name)?.values() ?? []) for (const value of values.keys()) counts.add(Number(value))
    return [...counts].sort((a, b) => a - b)
  }

  #winner(set: string, id: string): Element | undefined {
    const values = this.#claims.get(set)?.get(id)
    if (values === undefined) return undefined
    let least: Claim | undefined
    for (const [value, claim] of values) if (least === undefined || value < least.element.value) least = claim
    return least?.element
  }

  #remove(elements: readonly Element[]): void {
    for (const { set, id, value } of elements) {
      const ids = this.#claims.get(set.name)
      const values = ids?.get(id)
      const claim = values?.get(value)
      if (ids === undefined || values === undefined || claim === undefined) continue
      claim.count -= 1
      if (claim.count === 0) values.delete(value)
      if (values.size === 0) ids.delete(id)
    }
  }
}

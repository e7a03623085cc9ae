import type { MapElement, SetElement } from '@weft/nftables'
import type { Element } from './elements.ts'
import { type Family, sets } from './sets.ts'

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
 * The elements wanted by all Services together. Several may want one element (the hairpin pair of a pod that serves
 * two Services, an address that two Services have), so claims are counted.
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

  /** Replaces some claims by others and tells what that means for the kernel. In the size of those claims. */
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

  /** Distinct codes of virtual ports in use, ascending (see pick.ts). */
  codes(family: Family): readonly number[] {
    const codes = new Set<number>()
    for (const { name } of [sets[family].service, sets[family].local])
      for (const values of this.#claims.get(name)?.values() ?? []) for (const value of values.keys()) codes.add(Number(value))
    return [...codes].sort((a, b) => a - b)
  }

  /** Ports have one owner each (see VirtualPorts), so claims with different data are rare: the least text wins, in whatever order they came. */
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

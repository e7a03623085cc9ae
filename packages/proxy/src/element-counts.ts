import type { MapElement, SetElement } from '@weft/nftables'
import type { Element } from './compile.ts'
import type { Family } from './table.ts'

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
 * The elements wanted by all Services together. Several Services may want one element (two NodePorts of one
 * number with different protocols share nothing, but hairpin pairs and hostile duplicates do), so claims are counted.
 * Of claims with different data the least text wins: whatever the order of events, the result is the same.
 */
export class ElementCounts {
  /** id -> value -> claim. Nearly always one value. */
  readonly #claims = new Map<string, Map<string, Claim>>()

  add(elements: readonly Element[]): void {
    for (const element of elements) {
      const values = this.#claims.getOrInsertComputed(element.id, () => new Map<string, Claim>())
      const claim = values.get(element.value)
      if (claim === undefined) values.set(element.value, { element, count: 1 })
      else claim.count += 1
    }
  }

  /** Replaces the claims of one Service by others and tells what that means for the kernel. In the size of that Service. */
  replace(before: readonly Element[], after: readonly Element[]): ElementChanges {
    const touched = new Map<string, Element | undefined>()
    for (const { id } of [...before, ...after]) if (!touched.has(id)) touched.set(id, this.#winner(id))
    this.#remove(before)
    this.add(after)
    const added: Element[] = []
    const removed: Element[] = []
    for (const [id, old] of touched) {
      const now = this.#winner(id)
      if (old?.value === now?.value) continue
      if (old !== undefined) removed.push(old)
      if (now !== undefined) added.push(now)
    }
    return { added, removed }
  }

  /** Elements of one set or map, sorted by id. */
  of(set: string): readonly (SetElement & MapElement)[]
  of(set: string): readonly (SetElement | MapElement)[] {
    return [...this.#claims.keys()].filter((id) => id.startsWith(`${set} `)).sort().map((id) => this.#winner(id)!.element)
  }

  /** Distinct numbers of backends in use. */
  backendCounts(family: Family): readonly number[] {
    const counts = new Set<number>()
    for (const [id, values] of this.#claims) if (id.startsWith(`service${family} `)) for (const value of values.keys()) counts.add(Number(value))
    return [...counts].sort((a, b) => a - b)
  }

  #winner(id: string): Element | undefined {
    const values = this.#claims.get(id)
    if (values === undefined) return undefined
    let least: Claim | undefined
    for (const [value, claim] of values) if (least === undefined || value < least.element.value) least = claim
    return least?.element
  }

  #remove(elements: readonly Element[]): void {
    for (const { id, value } of elements) {
      const values = this.#claims.get(id)
      const claim = values?.get(value)
      if (values === undefined || claim === undefined) continue
      claim.count -= 1
      if (claim.count === 0) values.delete(value)
      if (values.size === 0) this.#claims.delete(id)
    }
  }
}


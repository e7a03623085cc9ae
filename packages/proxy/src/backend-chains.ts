import type { Element } from './compile.ts'
import { type Family, sets } from './table.ts'

/**
 * How many virtual ports have each number of backends: the chains `lb4-3` that must exist. Kept by counting, for asking all
 * Services after every change would cost as much as there are Services.
 */
export class BackendChains {
  readonly #uses: Readonly<Record<Family, Map<number, number>>> = { 4: new Map(), 6: new Map() }

  /** Numbers in use, ascending. */
  counts(family: Family): readonly number[] {
    return [...this.#uses[family].keys()].sort((a, b) => a - b)
  }

  /** @returns Which chains are needed from now on, and which no longer. */
  change(changes: { readonly added: readonly Element[], readonly removed: readonly Element[] }): { readonly created: readonly BackendChain[], readonly retired: readonly BackendChain[] } {
    const before = new Map<string, { readonly chain: BackendChain, readonly used: boolean }>()
    for (const [elements, step] of [[changes.added, 1], [changes.removed, -1]] as const) {
      for (const { set, value } of elements) {
        const family = set.name === sets[4].service.name ? 4 : set.name === sets[6].service.name ? 6 : undefined
        if (family === undefined) continue
        const count = Number(value)
        const uses = this.#uses[family].get(count) ?? 0
        const key = `${family} ${count}`
        if (!before.has(key)) before.set(key, { chain: { family, count }, used: uses > 0 })
        this.#uses[family].set(count, uses + step)
      }
    }
    const created: BackendChain[] = []
    const retired: BackendChain[] = []
    for (const { chain, used } of before.values()) {
      const uses = this.#uses[chain.family].get(chain.count)!
      if (uses === 0) this.#uses[chain.family].delete(chain.count)
      if (uses > 0 && !used) created.push(chain)
      if (uses === 0 && used) retired.push(chain)
    }
    return { created, retired }
  }
}

export interface BackendChain {
  readonly family: Family
  readonly count: number
}

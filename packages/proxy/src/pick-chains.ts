import { type Element, portCodes } from './elements.ts'
import type { VirtualPort } from './model.ts'
import { pickOf } from './pick.ts'
import { families, type Family, sets } from './sets.ts'
import { hasAffinity } from './table.ts'

/** A chain that picks one of several backends (see pick.ts for the code). */
export interface PickChain {
  readonly family: Family
  readonly code: number
}

/** The maps that have codes. */
const familyOf: ReadonlyMap<Element['set'], Family> = new Map(families.flatMap((family) => {
  const { service, checked, local } = sets[family]
  return [service, checked, local].map((set) => [set, family] as const)
}))

/**
 * How many virtual ports have each code: the chains `lb4-3` that must exist. Kept by counting, for asking all
 * Services after every change would cost as much as there are Services.
 */
export class PickChains {
  readonly #uses: Readonly<Record<Family, Map<number, number>>> = { 4: new Map(), 6: new Map() }

  /** Counts a port in that came with the first load. */
  add(port: VirtualPort): void {
    const { service, local } = portCodes(port)
    const uses = this.#uses[port.ip.family]
    for (const code of [service, local]) if (code !== undefined && pickOf(code) !== undefined) uses.set(code, (uses.get(code) ?? 0) + 1)
  }

  /** The codes in use that pick somebody, in order. */
  codes(family: Family): readonly number[] {
    return [...this.#uses[family].keys()].sort((a, b) => a - b)
  }

  /** Whether some port has session affinity. */
  get hasAffinity(): boolean {
    return hasAffinity({ 4: this.codes(4), 6: this.codes(6) })
  }

  /** @returns Which chains are needed from now on, and which no longer. */
  change(changes: { readonly added: readonly Element[], readonly removed: readonly Element[] }): { readonly created: readonly PickChain[], readonly retired: readonly PickChain[] } {
    const before = new Map<string, { readonly chain: PickChain, readonly used: boolean }>()
    for (const [elements, step] of [[changes.added, 1], [changes.removed, -1]] as const) {
      for (const { set, value } of elements) {
        const family = familyOf.get(set)
        const code = Number(value)
        if (family === undefined || pickOf(code) === undefined) continue
        const uses = this.#uses[family].get(code) ?? 0
        const key = `${family} ${code}`
        if (!before.has(key)) before.set(key, { chain: { family, code }, used: uses > 0 })
        this.#uses[family].set(code, uses + step)
      }
    }
    const created: PickChain[] = []
    const retired: PickChain[] = []
    for (const { chain, used } of before.values()) {
      const uses = this.#uses[chain.family].get(chain.code)!
      if (uses === 0) this.#uses[chain.family].delete(chain.code)
      if (uses > 0 && !used) created.push(chain)
      if (uses === 0 && used) retired.push(chain)
    }
    return { created, retired }
  }
}

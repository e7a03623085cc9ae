import { tables } from '@weft/api'
import { Transaction } from '@weft/nftables'
import { addElements, pieceSize } from './compile.ts'
import type { Element } from './elements.ts'
import { families, sets } from './sets.ts'
import type { ElementChanges } from './shared-elements.ts'

/** What makes packets look at all the others: it comes last and goes first. */
const leading: ReadonlySet<Element['set']> = new Set(families.flatMap((family) => [sets[family].service, sets[family].checked, sets[family].local]))

/**
 * A change as transactions. It is one, as packets must not see half of it; but where so many elements come, or go, that a commit would hold up the event loop, and
 * nothing is replaced, they do so in pieces: a Service that comes is there with its last one, and one that goes is gone with its first.
 */
export class Pieces {
  readonly #transactions: Transaction[] = []
  readonly #changes: ElementChanges
  /** How many elements may stand in one. */
  readonly #limit: number
  #count = 0

  constructor(changes: ElementChanges) {
    this.#changes = changes
    const { added, removed } = changes
    this.#limit = added.length > 0 && removed.length > 0 ? Infinity : pieceSize
    this.#next()
  }

  get all(): readonly Transaction[] {
    return this.#transactions
  }

  /** What else the change needs goes into the first before {@link putAll}, and into the last after it. */
  get last(): Transaction {
    return this.#transactions.at(-1)!
  }

  putAll(): void {
    const { added, removed } = this.#changes
    for (const group of [removed.filter(({ set }) => leading.has(set)), removed.filter(({ set }) => !leading.has(set))]) this.#put(group, (set, elements) => this.last.deleteElements(set, elements))
    for (const group of [added.filter(({ set }) => !leading.has(set)), added.filter(({ set }) => leading.has(set))]) this.#put(group, (set, elements) => addElements(this.last, set, elements))
  }

  #put(group: readonly Element[], put: (set: Element['set'], elements: readonly Element['element'][]) => void): void {
    for (const [set, all] of Map.groupBy(group, ({ set: own }) => own)) {
      for (let from = 0; from < all.length;) {
        if (this.#count >= this.#limit) this.#next()
        const part = all.slice(from, from + Math.min(all.length, this.#limit - this.#count))
        put(set, part.map(({ element }) => element))
        this.#count += part.length
        from += part.length
      }
    }
  }

  #next(): void {
    this.#transactions.push(new Transaction({ family: 'inet', name: tables.proxy }))
    this.#count = 0
  }
}

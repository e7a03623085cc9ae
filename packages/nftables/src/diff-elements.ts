import { atOnce } from '@weft/netlink'
import { elementData, elementKey } from './element-encoder.ts'
import type { MapDeclaration, MapElement, SetDeclaration, SetElement } from './table.ts'
import type { Transaction } from './transaction.ts'

/**
 * Adds to `tx` what turns the elements `current` into those of `set`, comparing keys and data as the kernel would: deletions first, then additions.
 *
 * @param set The desired declaration with its elements.
 * @param current Elements the kernel has, from memory or from a read.
 */
export function diffElements(tx: Transaction, set: SetDeclaration | MapDeclaration, current: readonly (SetElement | MapElement)[]): void {
  atOnce(diffingElements(tx, set, current))
}

/** So many elements are compared before others get a turn: about a millisecond. */
const perTurn = 500

/** {@link diffElements}, interrupted now and then. */
export function* diffingElements(tx: Transaction, set: SetDeclaration | MapDeclaration, current: readonly (SetElement | MapElement)[]): Generator<void, void> {
  let count = 0
  const present = new Map<string, SetElement | MapElement>()
  for (const element of current) {
    present.set(elementKey(set, element), element)
    if (++count % perTurn === 0) yield
  }
  const missing: (SetElement | MapElement)[] = []
  const surplus: SetElement[] = []
  for (const element of set.elements) {
    if (++count % perTurn === 0) yield
    const key = elementKey(set, element)
    const old = present.get(key)
    present.delete(key)
    if (old === undefined) missing.push(element)
    else if (elementData(set, old) !== elementData(set, element) || old.comment !== element.comment) {
      surplus.push(old)
      missing.push(element)
    }
  }
  surplus.push(...present.values())
  tx.deleteElements(set, surplus)
  tx.addElements(set, missing)
}

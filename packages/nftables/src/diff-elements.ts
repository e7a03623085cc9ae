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
  const present = new Map<string, SetElement | MapElement>()
  for (const element of current) present.set(elementKey(set, element), element)
  const missing: (SetElement | MapElement)[] = []
  const surplus: SetElement[] = []
  for (const element of set.elements) {
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

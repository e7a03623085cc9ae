import { atOnce } from '@weft/netlink'
import type { Element } from './elements.ts'
import { sets } from './sets.ts'

/** So many elements are looked at before others get a turn. */
const perTurn = 1000

/** What has to be written to make the kernel's elements those that are wanted now. */
export interface ElementChanges {
  /** Also with other data than before: the old element stands in `removed`. */
  readonly added: readonly Element[]
  readonly removed: readonly Element[]
}

/** Sets in which several Services may want one element: the hairpin pair of a pod behind two of them, an address that two have. */
const shared: ReadonlySet<Element['set']> = new Set([sets[4].hairpin, sets[6].hairpin, sets[4].vip, sets[6].vip])

/** Whether elements of a set may have several owners. */
export function isShared(set: Element['set']): boolean {
  return shared.has(set)
}

/**
 * How often each shared element is wanted. All other elements have one owner, a virtual port (see VirtualPorts) or the node, and
 * are not remembered: the owner's models before and after tell what to write.
 */
export class SharedElements {
  readonly #counts = new Map<string, number>()

  add(elements: readonly Element[]): void {
    for (const element of elements) if (shared.has(element.set)) this.#change(element, 1)
  }

  /** Replaces elements by others and tells what that means for the kernel. In the size of both. */
  replace(before: readonly Element[], after: readonly Element[]): ElementChanges {
    return atOnce(this.replacing(before, after))
  }

  /** {@link replace}, interrupted now and then. */
  *replacing(before: readonly Element[], after: readonly Element[]): Generator<void, ElementChanges> {
    const old = new Map<string, Element>()
    const now = new Map<string, Element>()
    const wasWanted = new Map<string, boolean>()
    for (const [elements, step, into] of [[before, -1, old], [after, 1, now]] as const) {
      for (const [index, element] of elements.entries()) {
        if (index % perTurn === perTurn - 1) yield
        const key = keyOf(element)
        into.set(key, element)
        if (!shared.has(element.set)) continue
        if (!wasWanted.has(key)) wasWanted.set(key, this.#counts.has(key))
        this.#change(element, step)
      }
    }
    const removed = yield* these(old, (key, element) => (wasWanted.has(key) ? !this.#counts.has(key) : now.get(key)?.value !== element.value))
    const added = yield* these(now, (key, element) => (wasWanted.has(key) ? wasWanted.get(key) === false && this.#counts.has(key) : old.get(key)?.value !== element.value))
    return { added, removed }
  }

  #change(element: Element, step: 1 | -1): void {
    const key = keyOf(element)
    const count = (this.#counts.get(key) ?? 0) + step
    if (count === 0) this.#counts.delete(key)
    else this.#counts.set(key, count)
  }
}

function* these(all: ReadonlyMap<string, Element>, holds: (key: string, element: Element) => boolean): Generator<void, readonly Element[]> {
  const found: Element[] = []
  let index = 0
  for (const [key, element] of all) {
    if (index++ % perTurn === perTurn - 1) yield
    if (holds(key, element)) found.push(element)
  }
  return found
}

function keyOf({ set, id }: Element): string {
  return `${set.name} ${id}`
}

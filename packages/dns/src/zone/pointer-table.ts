import { type AddressKey, addressKey } from './reverse-name.ts'
import type { Pointer, ServiceZone } from './service-zone.ts'

/** Who an address answers to, best first: what a PTR query gets. */
export class PointerTable {
  /** Most addresses have one pointer: it is kept without an array around it. */
  readonly #byAddress = new Map<AddressKey, Pointer | readonly Pointer[]>()

  get size(): number {
    return this.#byAddress.size
  }

  add(pointers: readonly Pointer[]): void {
    for (const pointer of pointers) {
      const key = addressKey(pointer.address)
      const known = this.#byAddress.get(key)
      this.#byAddress.set(key, known === undefined ? pointer : sortPointers([...listOf(known), pointer]))
    }
  }

  /** @param pointers The very values that were added. */
  remove(pointers: readonly Pointer[]): void {
    for (const pointer of pointers) {
      const key = addressKey(pointer.address)
      const left = listOf(this.#byAddress.get(key)).filter((known) => known !== pointer)
      if (left.length === 0) this.#byAddress.delete(key)
      else this.#byAddress.set(key, left.length === 1 ? left[0]! : left)
    }
  }

  /**
   * The names to answer with: those of Services if the address is one's own, else those of endpoints; each name once.
   */
  get(key: AddressKey): readonly Pointer[] {
    return chosen(listOf(this.#byAddress.get(key)))
  }

  *entries(): IterableIterator<[AddressKey, readonly Pointer[]]> {
    for (const [key, pointers] of this.#byAddress) yield [key, chosen(listOf(pointers))]
  }
}

/** The pointers of all Services by address, as {@link PointerTable.get} answers. */
export function mergePointers(services: Iterable<ServiceZone>): IterableIterator<[AddressKey, readonly Pointer[]]> {
  const table = new PointerTable()
  for (const service of services) table.add(service.pointers)
  return table.entries()
}

function listOf(pointers: Pointer | readonly Pointer[] | undefined): readonly Pointer[] {
  return pointers === undefined ? [] : 'rank' in pointers ? [pointers] : pointers
}

function sortPointers(pointers: readonly Pointer[]): readonly Pointer[] {
  return pointers.toSorted((a, b) => a.rank - b.rank || (textOf(a) < textOf(b) ? -1 : 1))
}

function chosen(pointers: readonly Pointer[]): readonly Pointer[] {
  if (pointers.length < 2) return pointers
  const seen = new Set<string>()
  return pointers.filter((pointer) => {
    const key = textOf(pointer)
    if (seen.has(key) || (pointers[0]!.rank === 0 && pointer.rank !== 0)) return false
    seen.add(key)
    return true
  })
}

/** Equal for pointers to the same name. */
function textOf({ label, service }: Pointer): string {
  return `${label}.${service.name}.${service.namespace}`
}

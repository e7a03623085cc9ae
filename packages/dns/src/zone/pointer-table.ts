import { type AddressKey, addressKey } from './reverse-name.ts'
import type { Pointer, ServiceZone } from './service-zone.ts'

/** Names one address answers with at most: whoever makes many Services for one pod must not make every question for it expensive. */
export const mostNames = 100

/** Who an address answers to, best first: what a PTR query gets. However many Services share an address, a change costs the pointers that change; the first question after one puts them in order. */
export class PointerTable {
  /** Most addresses have one pointer: it is kept without anything around it. */
  readonly #byAddress = new Map<AddressKey, Pointer | SharedAddress>()

  get size(): number {
    return this.#byAddress.size
  }

  add(pointers: readonly Pointer[]): void {
    for (const pointer of pointers) {
      const key = addressKey(pointer.address)
      const known = this.#byAddress.get(key)
      if (known === undefined) this.#byAddress.set(key, pointer)
      else if (known instanceof SharedAddress) known.add(pointer)
      else if (known !== pointer) this.#byAddress.set(key, new SharedAddress([known, pointer]))
    }
  }

  /** @param pointers The very values that were added. */
  remove(pointers: readonly Pointer[]): void {
    for (const pointer of pointers) {
      const key = addressKey(pointer.address)
      const known = this.#byAddress.get(key)
      if (known instanceof SharedAddress) {
        const only = known.remove(pointer)
        if (only !== undefined) this.#byAddress.set(key, only)
      } else if (known === pointer) {
        this.#byAddress.delete(key)
      }
    }
  }

  /**
   * The names to answer with: those of Services if the address is one's own, else those of endpoints; each name once, {@link mostNames} at most.
   */
  get(key: AddressKey): readonly Pointer[] {
    return namesOf(this.#byAddress.get(key))
  }

  *entries(): IterableIterator<[AddressKey, readonly Pointer[]]> {
    for (const [key, pointers] of this.#byAddress) yield [key, namesOf(pointers)]
  }
}

/** An address that several pointers lead to. They are put in order by the first query after a change, not by each change. */
class SharedAddress {
  readonly #pointers: Set<Pointer>
  #names: readonly Pointer[] | undefined

  constructor(pointers: readonly Pointer[]) {
    this.#pointers = new Set(pointers)
  }

  get names(): readonly Pointer[] {
    return this.#names ??= chosen([...this.#pointers])
  }

  add(pointer: Pointer): void {
    this.#pointers.add(pointer)
    this.#names = undefined
  }

  /** @returns The one that is left, when there is no other. */
  remove(pointer: Pointer): Pointer | undefined {
    this.#pointers.delete(pointer)
    this.#names = undefined
    return this.#pointers.size === 1 ? this.#pointers.values().next().value : undefined
  }
}

/** The pointers of all Services by address, as {@link PointerTable.get} answers. */
export function mergePointers(services: Iterable<ServiceZone>): IterableIterator<[AddressKey, readonly Pointer[]]> {
  const table = new PointerTable()
  for (const service of services) table.add(service.pointers)
  return table.entries()
}

function namesOf(known: Pointer | SharedAddress | undefined): readonly Pointer[] {
  if (known === undefined) return []
  return known instanceof SharedAddress ? known.names : [known]
}

/** By rank and name; an address of a Service's own has no names of endpoints. */
function chosen(pointers: readonly Pointer[]): readonly Pointer[] {
  const isOwn = pointers.some(({ rank }) => rank === 0)
  const byText = new Map<string, Pointer>()
  for (const pointer of pointers) {
    if (isOwn && pointer.rank !== 0) continue
    const text = textOf(pointer)
    const known = byText.get(text)
    if (known === undefined || pointer.rank < known.rank) byText.set(text, pointer)
  }
  return [...byText].sort(([a, { rank }], [b, { rank: other }]) => rank - other || (a < b ? -1 : 1)).slice(0, mostNames).map(([, pointer]) => pointer)
}

/** Equal for pointers to the same name. */
function textOf({ label, service }: Pointer): string {
  return `${label}.${service.name}.${service.namespace}`
}

import { tables } from '@weft/api'
import { formatIp, type IpAddress } from '@weft/ip'
import { type Chain, type MapDeclaration, type MapElement, partsOf, type SetDeclaration, type SetElement, type Table, Transaction } from '@weft/nftables'
import { isDomainSet } from './names.ts'
import { policyTable } from './table.ts'

type Declaration = SetDeclaration | MapDeclaration
type Element = SetElement | MapElement

interface Held {
  readonly declaration: Declaration
  /** By a text that is equal for equal keys. */
  readonly elements: Map<string, { readonly element: Element, readonly value: string }>
}

/**
 * The table as it is wanted, edited piece by piece, and the transaction from the last flush to now. Its size is that of the
 * edits, whatever the size of the table (promise P7). What is put back as it was before the flush costs nothing.
 */
export class TableDraft {
  readonly #sets = new Map<string, Held>()
  readonly #chains = new Map<string, Chain>()
  /** State at the last flush of what was touched since. */
  readonly #touchedSets = new Map<string, Declaration | undefined>()
  readonly #touchedChains = new Map<string, Chain | undefined>()
  readonly #touchedElements = new Map<string, Map<string, { readonly element: Element, readonly value: string } | undefined>>()

  putSet(declaration: Declaration): void {
    if (this.#sets.has(declaration.name)) return
    this.#touchSet(declaration.name)
    this.#sets.set(declaration.name, { declaration, elements: new Map() })
    for (const element of declaration.elements) this.putElement(declaration.name, JSON.stringify(element.key, bigintText), element)
  }

  dropSet(name: string): void {
    const held = this.#sets.get(name)
    if (held === undefined) return
    for (const id of [...held.elements.keys()]) this.dropElement(name, id)
    this.#touchSet(name)
    this.#sets.delete(name)
  }

  /**
   * @param id Text that is equal for equal keys.
   * @param value Text that is equal for equal data; empty in sets.
   */
  putElement(set: string, id: string, element: Element, value = ''): void {
    const { elements } = this.#sets.get(set)!
    if (elements.get(id)?.value === value) return
    this.#touchElement(set, id)
    elements.set(id, { element, value })
  }

  hasElement(set: string, id: string): boolean {
    return this.#sets.get(set)?.elements.has(id) === true
  }

  /** Whether an element came or went since the last {@link settle}. */
  isUnsettled(set: string, id: string): boolean {
    return this.#touchedElements.get(set)?.has(id) === true
  }

  dropElement(set: string, id: string): void {
    const held = this.#sets.get(set)
    if (held?.elements.has(id) !== true) return
    this.#touchElement(set, id)
    held.elements.delete(id)
  }

  putChain(chain: Chain): void {
    if (!this.#touchedChains.has(chain.name)) this.#touchedChains.set(chain.name, this.#chains.get(chain.name))
    this.#chains.set(chain.name, chain)
  }

  dropChain(name: string): void {
    if (!this.#chains.has(name)) return
    if (!this.#touchedChains.has(name)) this.#touchedChains.set(name, this.#chains.get(name))
    this.#chains.delete(name)
  }

  /** The whole table as wanted now, in an order that does not depend on how it came about. */
  table(): Table {
    const held = [...this.#sets.values()].sort((a, b) => compareText(a.declaration.name, b.declaration.name))
    const filled = held.map(({ declaration, elements }) => ({ ...declaration, elements: [...elements].sort(([a], [b]) => compareText(a, b)).map(([, { element }]) => element) }))
    return policyTable({
      sets: filled.filter((each) => each.kind === 'set'),
      maps: filled.filter((each) => each.kind === 'map') as MapDeclaration[],
      chains: [...this.#chains.values()].sort((a, b) => compareText(a.name, b.name)),
    })
  }

  /** Forgets the edits: the kernel has the table as it is now. */
  settle(): void {
    this.#touchedSets.clear()
    this.#touchedChains.clear()
    this.#touchedElements.clear()
  }

  /**
   * What leads a kernel that had the table of the last {@link settle} to the table of now. Elements of plain sets come first:
   * they are what may be too large for one batch, and nothing refers to them that does not refer to them afterwards.
   */
  transaction(): Transaction {
    const transaction = new Transaction({ family: 'inet', name: tables.policy })
    const [newSets, goneSets] = split(this.#touchedSets, (name) => this.#sets.get(name)?.declaration)
    const [newChains, goneChains] = split(this.#touchedChains, (name) => this.#chains.get(name))
    for (const declaration of newSets) transaction.addSet({ ...declaration, elements: [] })
    this.#elementChanges(transaction, 'set')
    for (const chain of newChains) transaction.addChain({ ...chain, rules: [] })
    for (const [name, before] of this.#touchedChains) {
      const now = this.#chains.get(name)
      if (now === undefined || (before !== undefined && textOf(now) === textOf(before))) continue
      if (before !== undefined) transaction.flushChain(name)
      for (const rule of now.rules) transaction.addRule(name, rule)
    }
    this.#elementChanges(transaction, 'map')
    // Chains may jump to each other: all are emptied before any is deleted.
    for (const { name } of goneChains) transaction.flushChain(name)
    for (const { name } of goneChains) transaction.deleteChain(name)
    for (const declaration of goneSets) transaction.deleteSet(declaration)
    return transaction
  }

  /**
   * Addresses of pods, nodes and DNS servers whose elements changed since the last flush, by text. What a name stands for is
   * not looked at: that it has another address does not end what was begun.
   *
   * @param options.entering Also of those that come to sets; those that leave them, and pods of this node, always.
   */
  touchedAddresses({ entering }: { readonly entering: boolean }): ReadonlyMap<string, IpAddress> {
    const found = new Map<string, IpAddress>()
    for (const [name, touched] of this.#touchedElements) {
      const kind = this.#sets.get(name)?.declaration.kind
      if (kind === undefined || isDomainSet(name)) continue
      for (const [id, before] of touched) {
        const now = this.#sets.get(name)?.elements.get(id)
        if (before?.value === now?.value || (before === undefined && kind === 'set' && !entering)) continue
        const [key] = partsOf((before ?? now)!.element.key)
        if (typeof key === 'object' && 'family' in key && !('prefix' in key)) found.set(formatIp(key as IpAddress), key as IpAddress)
      }
    }
    return found
  }

  #elementChanges(transaction: Transaction, kind: Declaration['kind']): void {
    for (const [name, touched] of this.#touchedElements) {
      const held = this.#sets.get(name)
      // Elements of a set that goes away go with it.
      if (held?.declaration.kind !== kind) continue
      const removed: Element[] = []
      const added: Element[] = []
      for (const [id, before] of touched) {
        const now = held.elements.get(id)
        if (before?.value === now?.value) continue
        if (before !== undefined) removed.push(before.element)
        if (now !== undefined) added.push(now.element)
      }
      transaction.deleteElements(held.declaration, removed)
      if (held.declaration.kind === 'map') transaction.addElements(held.declaration, added as MapElement[])
      else transaction.addElements(held.declaration, added)
    }
  }

  #touchSet(name: string): void {
    if (!this.#touchedSets.has(name)) this.#touchedSets.set(name, this.#sets.get(name)?.declaration)
  }

  #touchElement(set: string, id: string): void {
    const touched = this.#touchedElements.getOrInsertComputed(set, () => new Map())
    if (!touched.has(id)) touched.set(id, this.#sets.get(set)!.elements.get(id))
  }
}

function split<T extends object>(touched: ReadonlyMap<string, T | undefined>, now: (name: string) => T | undefined): readonly [created: readonly T[], gone: readonly T[]] {
  const created: T[] = []
  const gone: T[] = []
  for (const [name, before] of touched) {
    const after = now(name)
    if (before === undefined && after !== undefined) created.push(after)
    if (before !== undefined && after === undefined) gone.push(before)
  }
  return [created, gone]
}

function textOf(chain: Chain): string {
  return JSON.stringify(chain.rules, bigintText)
}

function bigintText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

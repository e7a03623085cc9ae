import { formatOperation } from './format-operation.ts'
import type { Operation } from './operation.ts'
import type { Chain, CounterDeclaration, MapDeclaration, MapElement, Rule, SetDeclaration, SetElement, Table, TableName } from './table.ts'

/**
 * Edits to one table that the kernel takes all together or not at all. A transaction is inert: nothing is checked against the kernel until it is committed.
 *
 * @example
 * const tx = new Transaction({ family: 'inet', name: 'demo' })
 * tx.addTable().addSet(blocked).addElements(blocked, [{ key: '10.0.0.1' }])
 * nft.commit(tx)
 */
export class Transaction {
  /** The table all operations are in. */
  readonly table: TableName
  readonly #operations: Operation[] = []

  constructor(table: TableName) {
    this.table = { family: table.family, name: table.name }
  }

  /** Operations in the order they were asked for. */
  get operations(): readonly Operation[] {
    return this.#operations
  }

  /** True if committing would send nothing. */
  get isEmpty(): boolean {
    return this.#operations.length === 0
  }

  /** The transaction as nft commands, one a line: what is logged, and what goldens hold. */
  get text(): string {
    return this.#operations.map((operation) => formatOperation(this.table, operation)).join('')
  }

  /** As with `nft add table`: fine if it exists. */
  addTable(options: { readonly comment?: string | undefined } = {}): this {
    return this.#push({ verb: 'add', object: 'table', ...options })
  }

  /** As with `nft delete table`, with everything in it. */
  deleteTable(): this {
    return this.#push({ verb: 'delete', object: 'table' })
  }

  /** As with `nft destroy table`: fine if it does not exist. */
  destroyTable(): this {
    return this.#push({ verb: 'destroy', object: 'table' })
  }

  /** As with `nft add chain`. Its rules are added too, after what the chain holds. */
  addChain(chain: Chain): this {
    this.#push({ verb: 'add', object: 'chain', chain })
    for (const rule of chain.rules) this.addRule(chain.name, rule)
    return this
  }

  deleteChain(name: string): this {
    return this.#push({ verb: 'delete', object: 'chain', name })
  }

  destroyChain(name: string): this {
    return this.#push({ verb: 'destroy', object: 'chain', name })
  }

  /** Deletes the rules of a chain. */
  flushChain(name: string): this {
    return this.#push({ verb: 'flush', object: 'chain', name })
  }

  /** Appends a rule, or puts it after the rule with handle `after`. */
  addRule(chain: string, rule: Rule, options: { readonly after?: bigint } = {}): this {
    return this.#push({ verb: 'add', object: 'rule', chain, rule, ...options })
  }

  /** Puts a rule first, or before the rule with handle `before`. */
  insertRule(chain: string, rule: Rule, options: { readonly before?: bigint } = {}): this {
    return this.#push({ verb: 'insert', object: 'rule', chain, rule, ...options })
  }

  replaceRule(chain: string, handle: bigint, rule: Rule): this {
    return this.#push({ verb: 'replace', object: 'rule', chain, rule, handle })
  }

  deleteRule(chain: string, handle: bigint): this {
    return this.#push({ verb: 'delete', object: 'rule', chain, handle })
  }

  /** As with `nft add set` and `nft add map`, with the declaration's elements. */
  addSet(set: SetDeclaration | MapDeclaration): this {
    this.#push({ verb: 'add', object: 'set', set })
    return this.addElements(set, set.elements)
  }

  deleteSet(set: { readonly kind: 'set' | 'map'; readonly name: string }): this {
    return this.#push({ verb: 'delete', object: 'set', kind: set.kind, name: set.name })
  }

  destroySet(set: { readonly kind: 'set' | 'map'; readonly name: string }): this {
    return this.#push({ verb: 'destroy', object: 'set', kind: set.kind, name: set.name })
  }

  /** Deletes the elements of a set or map. */
  flushSet(set: { readonly kind: 'set' | 'map'; readonly name: string }): this {
    return this.#push({ verb: 'flush', object: 'set', kind: set.kind, name: set.name })
  }

  /**
   * Adds elements. An element that is there is left alone if it is the same, and an error (EEXIST) if its data differs: delete it first.
   *
   * @param set The declaration, for the types; its own elements are ignored.
   */
  addElements(set: SetDeclaration, elements: readonly SetElement[]): this
  addElements(set: MapDeclaration, elements: readonly MapElement[]): this
  addElements(set: SetDeclaration | MapDeclaration, elements: readonly (SetElement | MapElement)[]): this
  addElements(set: SetDeclaration | MapDeclaration, elements: readonly (SetElement | MapElement)[]): this {
    return elements.length === 0 ? this : this.#push({ verb: 'add', object: 'element', set, elements })
  }

  /** Deletes elements by key; one that is not there is an error (ENOENT). */
  deleteElements(set: SetDeclaration | MapDeclaration, elements: readonly SetElement[]): this {
    return elements.length === 0 ? this : this.#push({ verb: 'delete', object: 'element', set, elements })
  }

  /** Deletes elements by key; fine if they are not there. */
  destroyElements(set: SetDeclaration | MapDeclaration, elements: readonly SetElement[]): this {
    return elements.length === 0 ? this : this.#push({ verb: 'destroy', object: 'element', set, elements })
  }

  addCounter(counter: CounterDeclaration): this {
    return this.#push({ verb: 'add', object: 'counter', counter })
  }

  deleteCounter(name: string): this {
    return this.#push({ verb: 'delete', object: 'counter', name })
  }

  /**
   * Adds a whole table in an order that resolves: table, counters, sets, chains without rules, maps, then the rules. Sets come before all chains: of a table
   * that does not fit one batch they can be loaded ahead, and what acts still comes as one.
   */
  addAll(table: Table): this {
    this.addTable({ comment: table.comment })
    for (const counter of table.counters) this.addCounter(counter)
    for (const set of table.sets) this.addSet(set)
    for (const chain of table.chains) this.#push({ verb: 'add', object: 'chain', chain })
    for (const map of table.maps) this.addSet(map)
    for (const chain of table.chains) for (const rule of chain.rules) this.addRule(chain.name, rule)
    return this
  }

  #push(operation: Operation): this {
    this.#operations.push(operation)
    return this
  }
}

import { atomOf } from '../atom.ts'
import { dataType } from '../data-type.ts'
import { elementData, elementKey } from '../element-encoder.ts'
import { collectionLines, formatBase, isVerdict } from '../format-table.ts'
import { keyTypes } from '../key-type.ts'
import { referencesOf } from '../references.ts'
import type { Operation } from '../operation.ts'
import type { Chain, CounterDeclaration, MapDeclaration, MapElement, Rule, SetDeclaration, SetElement, Table, TableName } from '../table.ts'
import { partsOf } from '../value.ts'

/** A rule and the handle it got. */
export interface MemoryRule {
  readonly handle: bigint
  readonly rule: Rule
  /** Times it ran to its end in a trace. */
  hits: number
}

/** A set or map and its elements by key. */
export interface MemorySet {
  readonly declaration: SetDeclaration | MapDeclaration
  readonly elements: Map<string, MemoryElement>
}

/** An element of a set, or with data of a map. */
export interface MemoryElement extends SetElement {
  readonly data?: MapElement['data'] | undefined
  /** Of an element that a packet made: when it is gone, in milliseconds of {@link TraceOptions.nowMs}. */
  readonly endsMs?: number | undefined
}

/** Why an operation was refused: an errno name. */
export type Refused = 'ENOENT' | 'EEXIST' | 'EBUSY' | 'ENFILE' | 'EINVAL'

/** One table in memory: what it holds, what an operation does to it, and what packets run through. */
export class MemoryTable {
  readonly name: TableName
  comment: string | undefined
  readonly counters: Map<string, CounterDeclaration> = new Map()
  readonly sets: Map<string, MemorySet> = new Map()
  readonly chains: Map<string, { readonly chain: Chain, readonly rules: MemoryRule[] }> = new Map()
  #nextHandle = 1n

  constructor(name: TableName) {
    this.name = name
  }

  /** A table as it is: nothing is checked, as whoever gives it has it from a kernel or is about to load it. */
  static of(table: Table): MemoryTable {
    const memory = new MemoryTable({ family: table.family, name: table.name })
    memory.comment = table.comment
    for (const counter of table.counters) memory.counters.set(counter.name, counter)
    for (const set of [...table.sets, ...table.maps]) memory.sets.set(set.name, { declaration: { ...set, elements: [] }, elements: new Map(set.elements.map((element) => [elementKey(set, element), element])) })
    for (const chain of table.chains) memory.chains.set(chain.name, { chain: { ...chain, rules: [] }, rules: chain.rules.map((rule) => ({ handle: memory.#nextHandle++, rule, hits: 0 })) })
    return memory
  }

  /** A copy to try a transaction on. */
  clone(): MemoryTable {
    const copy = new MemoryTable(this.name)
    copy.comment = this.comment
    copy.#nextHandle = this.#nextHandle
    for (const [name, counter] of this.counters) copy.counters.set(name, counter)
    for (const [name, { declaration, elements }] of this.sets) copy.sets.set(name, { declaration, elements: new Map(elements) })
    for (const [name, { chain, rules }] of this.chains) copy.chains.set(name, { chain, rules: [...rules] })
    return copy
  }

  /** The table as a value, rules included. */
  snapshot(): Table {
    const sets: SetDeclaration[] = []
    const maps: MapDeclaration[] = []
    for (const { declaration, elements } of this.sets.values()) {
      if (declaration.kind === 'set') sets.push({ ...declaration, elements: [...elements.values()] })
      else maps.push({ ...declaration, elements: [...elements.values()].flatMap(({ data, ...element }) => (data === undefined ? [] : [{ ...element, data }])) })
    }
    return {
      ...this.name, ...(this.comment === undefined ? {} : { comment: this.comment }), counters: [...this.counters.values()], sets, maps,
      chains: [...this.chains.values()].map(({ chain, rules }) => ({ ...chain, rules: rules.map(({ rule }) => rule) })),
    }
  }

  /** Applies an operation on anything but the table itself. */
  apply(operation: Exclude<Operation, { readonly object: 'table' }>): Refused | undefined {
    switch (operation.object) {
      case 'chain': return 'chain' in operation ? this.#addChain(operation.chain, operation.verb === 'create') : this.#editChain(operation)
      case 'rule': return this.#rule(operation)
      case 'set': return 'set' in operation ? this.#addSet(operation.set, operation.verb === 'create') : this.#editSet(operation)
      case 'element': return this.#elements(operation)
      case 'counter': return 'counter' in operation ? this.#addCounter(operation.counter, operation.verb === 'create') : this.#removeCounter(operation)
    }
  }

  #addChain(chain: Chain, exclusive: boolean): Refused | undefined {
    const old = this.chains.get(chain.name)
    if (old === undefined) {
      this.chains.set(chain.name, { chain: { ...chain, rules: [] }, rules: [] })
      return undefined
    }
    if (exclusive || placeOf(old.chain) !== placeOf(chain)) return 'EEXIST'
    this.chains.set(chain.name, { chain: { ...old.chain, base: chain.base }, rules: old.rules })
    return undefined
  }

  #editChain({ verb, name }: Operation & { readonly object: 'chain', readonly verb: 'delete' | 'destroy' | 'flush' }): Refused | undefined {
    const found = this.chains.get(name)
    if (found === undefined) return verb === 'destroy' ? undefined : 'ENOENT'
    if (verb === 'flush') {
      found.rules.length = 0
      return undefined
    }
    if (this.#isJumpedTo(name)) return 'EBUSY'
    this.chains.delete(name)
    return undefined
  }

  #isJumpedTo(chain: string): boolean {
    for (const [name, { rules }] of this.chains) if (name !== chain && rules.some(({ rule }) => referencesOf(rule).chains.includes(chain))) return true
    for (const { elements } of this.sets.values()) for (const element of elements.values()) if (targetOf(element) === chain) return true
    return false
  }

  #rule(operation: Operation & { readonly object: 'rule' }): Refused | undefined {
    const found = this.chains.get(operation.chain)
    if (found === undefined) return 'ENOENT'
    const { rules } = found
    const indexOf = (handle: bigint): number => rules.findIndex((rule) => rule.handle === handle)
    if (operation.verb === 'delete') {
      const at = indexOf(operation.handle)
      if (at < 0) return 'ENOENT'
      rules.splice(at, 1)
      return undefined
    }
    const { chains, sets, counters } = referencesOf(operation.rule)
    if (chains.some((name) => !this.chains.has(name)) || sets.some((name) => !this.sets.has(name)) || counters.some((name) => !this.counters.has(name))) return 'ENOENT'
    const anchor = operation.verb === 'replace' ? operation.handle : operation.verb === 'add' ? operation.after : operation.before
    const at = anchor === undefined ? (operation.verb === 'add' ? rules.length : 0) : indexOf(anchor)
    if (at < 0) return 'ENOENT'
    const rule: MemoryRule = { handle: this.#nextHandle++, rule: operation.rule, hits: 0 }
    if (operation.verb === 'replace') rules[at] = rule
    else rules.splice(anchor !== undefined && operation.verb === 'add' ? at + 1 : at, 0, rule)
    return undefined
  }

  #addSet(set: SetDeclaration | MapDeclaration, exclusive: boolean): Refused | undefined {
    const old = this.sets.get(set.name)
    if (old === undefined) this.sets.set(set.name, { declaration: { ...set, elements: [] }, elements: new Map() })
    else if (exclusive || old.declaration.kind !== set.kind || collectionLines(old.declaration).join('\n') !== collectionLines(set).join('\n')) return 'EEXIST'
    return undefined
  }

  #editSet({ verb, name }: Operation & { readonly object: 'set', readonly verb: 'delete' | 'destroy' | 'flush' }): Refused | undefined {
    const found = this.sets.get(name)
    if (found === undefined) return verb === 'destroy' ? undefined : 'ENOENT'
    if (verb === 'flush') {
      found.elements.clear()
      return undefined
    }
    for (const { rules } of this.chains.values()) if (rules.some(({ rule }) => referencesOf(rule).sets.includes(name))) return 'EBUSY'
    this.sets.delete(name)
    return undefined
  }

  #elements({ verb, set, elements }: Operation & { readonly object: 'element' }): Refused | undefined {
    const found = this.sets.get(set.name)
    if (found === undefined) return 'ENOENT'
    for (const element of elements) {
      const refused = verb === 'add' || verb === 'create' ? this.#addElement(found, element, verb === 'create') : removeElement(found, element, verb === 'destroy')
      if (refused !== undefined) return refused
    }
    return undefined
  }

  #addElement(set: MemorySet, element: SetElement | MapElement, exclusive: boolean): Refused | undefined {
    const key = elementKey(set.declaration, element)
    const old = set.elements.get(key)
    if (old !== undefined) return exclusive || elementData(set.declaration, old) !== elementData(set.declaration, element) ? 'EEXIST' : undefined
    const target = targetOf(element)
    if (target !== undefined && !this.chains.has(target)) return 'ENOENT'
    if (set.declaration.size !== undefined && set.elements.size >= set.declaration.size) return 'ENFILE'
    if (set.declaration.flags.includes('interval') && [...set.elements.values()].some((other) => overlaps(set.declaration, other, element))) return 'EEXIST'
    set.elements.set(key, element)
    return undefined
  }

  #addCounter(counter: CounterDeclaration, exclusive: boolean): Refused | undefined {
    if (!this.counters.has(counter.name)) this.counters.set(counter.name, counter)
    else if (exclusive) return 'EEXIST'
    return undefined
  }

  #removeCounter({ verb, name }: Operation & { readonly object: 'counter', readonly verb: 'delete' | 'destroy' }): Refused | undefined {
    if (!this.counters.has(name)) return verb === 'destroy' ? undefined : 'ENOENT'
    for (const { rules } of this.chains.values()) if (rules.some(({ rule }) => referencesOf(rule).counters.includes(name))) return 'EBUSY'
    this.counters.delete(name)
    return undefined
  }
}

function placeOf(chain: Chain): string | undefined {
  return chain.base === undefined ? undefined : formatBase({ ...chain, base: { ...chain.base, policy: 'accept' } })
}

function targetOf({ data }: MemoryElement): string | undefined {
  return data !== undefined && isVerdict(data) ? data.chain : undefined
}

function removeElement(set: MemorySet, element: SetElement, lenient: boolean): Refused | undefined {
  return set.elements.delete(elementKey(set.declaration, element)) || lenient ? undefined : 'ENOENT'
}

function overlaps(set: SetDeclaration | MapDeclaration, one: SetElement, other: SetElement): boolean {
  const others = partsOf(other.key)
  return partsOf(one.key).every((part, index) => {
    const type = dataType(keyTypes(set.key)[index] ?? 'integer')
    const a = atomOf(type, part)
    const b = atomOf(type, others[index]!)
    return a.kind === 'number' && b.kind === 'number' ? a.from <= b.to && b.from <= a.to : a.kind === 'text' && b.kind === 'text' && a.text === b.text
  })
}

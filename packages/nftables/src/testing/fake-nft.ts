import { encodeBatch, ruleFingerprint } from '../batch.ts'
import { commitError, refusal } from '../commit-error.ts'
import { formatTable } from '../format-table.ts'
import type { ChainGraph, NftInTurns, RuleState, SetOccupancy, TableEvent, TableState } from '../nft.ts'
import type { Operation } from '../operation.ts'
import { operationsWith } from './operations-with.ts'
import { referencesOf } from '../references.ts'
import type { Table, TableFamily, TableName } from '../table.ts'
import type { Transaction } from '../transaction.ts'
import { type Refused, MemoryTable } from '../trace/memory-table.ts'
import { type Trace, type TraceOptions, type TracePacket, tracePacket } from '../trace/tracer.ts'

type Listener = (event: TableEvent) => void

/**
 * nftables in memory: takes transactions whole or not at all, resolves names as the kernel does and refuses with the same errors, counts what it is asked
 * to write, and runs packets through the rules.
 */
export class FakeNft implements NftInTurns {
  /** Transactions that were not empty. */
  commits = 0
  /** Operations in them; an element operation counts each element. */
  writes = 0
  /** Text of each transaction, oldest first. */
  readonly log: string[] = []
  readonly #tables = new Map<string, MemoryTable>()
  readonly #listeners = new Set<{ readonly table: TableName, readonly listener: Listener }>()
  readonly #lacks: ReadonlySet<string>

  /** @param options.lacks Expressions that it does not know, by the kernel's names: `fib`, `numgen`, `dynset`. */
  constructor({ lacks = [] }: { readonly lacks?: Iterable<string> } = {}) {
    this.#lacks = new Set(lacks)
  }

  commit(transaction: Transaction): void {
    if (transaction.isEmpty) return
    this.#keep(transaction, this.#tried(transaction))
    this.commits++
    for (const operation of transaction.operations) this.writes += operation.object === 'element' ? operation.elements.length : 1
    this.log.push(transaction.text)
  }

  check(transaction: Transaction): void {
    this.#tried(transaction)
  }

  /** Commits as another program would: not counted, and told to watchers. */
  commitForeign(transaction: Transaction): void {
    this.#keep(transaction, this.#tried(transaction))
    for (const operation of transaction.operations) {
      const event = eventOf(transaction.table, operation)
      for (const { table, listener } of this.#listeners) if (table.name === transaction.table.name && table.family === transaction.table.family) listener(event)
    }
  }

  read(family: TableFamily, name: string): TableState | undefined {
    const found = this.#tables.get(`${family} ${name}`)
    if (found === undefined) return undefined
    const table = found.snapshot()
    const rules = new Map<string, readonly RuleState[]>()
    for (const [chain, { rules: list }] of found.chains) {
      rules.set(chain, list.map(({ handle, rule }) => ({ handle, fingerprint: ruleFingerprint(found.name, rule), comment: rule.comment })))
    }
    return { name: found.name, table: { ...table, chains: table.chains.map((chain) => ({ ...chain, rules: [] })) }, rules }
  }

  async readInTurns(family: TableFamily, name: string): Promise<TableState | undefined> {
    return await Promise.resolve(this.read(family, name))
  }

  /** what the socket tells of the kernel. */
  graph(family: TableFamily, name: string): ChainGraph | undefined {
    const found = this.#tables.get(`${family} ${name}`)
    if (found === undefined) return undefined
    const jumps = [...found.chains].flatMap(([chain, { rules }]) => rules.flatMap(({ handle, rule }) => referencesOf(rule).chains.map((to) => ({ chain, handle, to }))))
    return { chains: [...found.chains.keys()], jumps }
  }

  async occupancy(family: TableFamily, name: string): Promise<readonly SetOccupancy[]> {
    const sets = this.#tables.get(`${family} ${name}`)?.sets.values() ?? []
    return await Promise.resolve([...sets].flatMap(({ declaration: { name: set, size }, elements }) => (size === undefined ? [] : [{ name: set, size, count: elements.size }])))
  }

  async watch(table: TableName, options: { readonly signal: AbortSignal }): Promise<AsyncIterable<TableEvent | 'overrun'>> {
    const queue: TableEvent[] = []
    let wake: () => void = () => {}
    const entry = { table, listener: (event: TableEvent): void => {
      queue.push(event)
      wake()
    } }
    this.#listeners.add(entry)
    const listeners = this.#listeners
    options.signal.addEventListener('abort', () => wake(), { once: true })
    return (async function* () {
      try {
        while (!options.signal.aborted) {
          const event = queue.shift()
          if (event !== undefined) yield event
          else await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
      } finally {
        listeners.delete(entry)
      }
    })()
  }

  /** A table as a value, rules included. */
  table(family: TableFamily, name: string): Table | undefined {
    return this.#tables.get(`${family} ${name}`)?.snapshot()
  }

  /** All tables as nft would list them. */
  get text(): string {
    return [...this.#tables.values()].map((table) => formatTable(table.snapshot())).join('')
  }

  /** Runs a packet through the hooks of all tables and tells what became of it. */
  trace(packet: TracePacket, options: TraceOptions = {}): Trace {
    return tracePacket([...this.#tables.values()], packet, options)
  }

  /** The table after a transaction; undefined when it is gone. */
  #tried(transaction: Transaction): MemoryTable | undefined {
    // Values of the wrong type are refused before anything is sent; so they are here.
    const batch = encodeBatch(transaction.table, transaction.operations, { canDestroy: true })
    let table = this.#tables.get(keyOf(transaction))?.clone()
    const refused = []
    if (this.#lacks.size > 0) for (const index of operationsWith(batch, this.#lacks)) refused.push(refusal(transaction, index, { errno: 'ENOENT' }))
    for (const [index, operation] of transaction.operations.entries()) {
      let errno: Refused | undefined
      if (operation.object !== 'table') errno = table === undefined ? missingTable(operation) : table.apply(operation)
      else if (operation.verb === 'add' || operation.verb === 'create') {
        if (table !== undefined && operation.verb === 'create') errno = 'EEXIST'
        if (table === undefined) {
          table = new MemoryTable(transaction.table)
          table.comment = operation.comment
        }
      } else {
        if (table === undefined && operation.verb === 'delete') errno = 'ENOENT'
        table = undefined
      }
      if (errno !== undefined) refused.push(refusal(transaction, index, { errno }))
    }
    if (refused.length > 0) throw commitError(transaction, refused)
    return table
  }

  #keep(transaction: Transaction, table: MemoryTable | undefined): void {
    if (table === undefined) this.#tables.delete(keyOf(transaction))
    else this.#tables.set(keyOf(transaction), table)
  }
}

function keyOf({ table: { family, name } }: Transaction): string {
  return `${family} ${name}`
}

function missingTable(operation: Operation): Refused | undefined {
  return operation.verb === 'destroy' ? undefined : 'ENOENT'
}

function eventOf(table: TableName, operation: Operation): TableEvent {
  const verb = operation.verb === 'delete' || operation.verb === 'destroy' || operation.verb === 'flush' ? 'delete' : 'new'
  switch (operation.object) {
    case 'table': return { verb, object: 'table', name: table.name, portId: 1 }
    case 'chain': return { verb, object: operation.verb === 'flush' ? 'rule' : 'chain', name: 'chain' in operation ? operation.chain.name : operation.name, portId: 1 }
    case 'rule': return { verb, object: 'rule', name: operation.chain, portId: 1 }
    case 'set': return { verb, object: operation.verb === 'flush' ? 'element' : 'set', name: 'set' in operation ? operation.set.name : operation.name, portId: 1 }
    case 'element': return { verb, object: 'element', name: operation.set.name, portId: 1 }
    case 'counter': return { verb, object: 'object', name: 'counter' in operation ? operation.counter.name : operation.name, portId: 1 }
  }
}

import { EventRing } from './event-ring.ts'
import { Journal, type JournalRecord } from './journal.ts'
import type { KubeObject } from './json.ts'
import { Stored } from './stored.ts'

/** A change to one object. */
export interface StoreEvent {
  readonly kind: 'added' | 'modified' | 'deleted'
  readonly revision: number
  readonly storage: string
  readonly key: string
  /** The new object; for a deletion the last one, with the deletion's resourceVersion. */
  readonly now: Stored
  readonly before?: Stored | undefined
}

/** A journal shorter than this is never rewritten. */
const COMPACT_BYTES = 16_000_000
/** The storage name of the record that says up to where a rewritten journal has lost its history. */
const FLOOR = ''

interface Table {
  readonly objects: Map<string, Stored>
  readonly events: EventRing<StoreEvent>
  /** By key; made at the first list and kept from then on. */
  sorted: Stored[] | undefined
}

/** The state of the cluster: objects by storage name and key, one revision counter, the last changes of each storage. */
export class ObjectStore {
  readonly #journal: Journal | undefined
  readonly #tables = new Map<string, Table>()
  readonly #listeners = new Map<string | undefined, Set<(event: StoreEvent) => void>>()
  readonly #ringSize: number
  #revision = 1
  #compactAt = COMPACT_BYTES
  /** Older history was dropped when the journal was rewritten. */
  #floor = 0

  private constructor(ringSize: number, journalPath: string | undefined) {
    this.#ringSize = ringSize
    if (journalPath === undefined) return
    this.#journal = Journal.open(journalPath, record => this.#replay(record))
    this.#compactIfWorthwhile()
  }

  #replay(record: JournalRecord): void {
    this.#revision = Math.max(this.#revision, record.revision)
    if (record.storage === FLOOR) {
      this.#floor = record.revision
      return
    }
    const event = this.#change(record.storage, record.key, record.revision, record.object)
    if (event !== undefined) this.#apply(event)
  }

  /**
   * Opens a store.
   *
   * @param options.journalPath File that keeps it; without one the store lives in memory only.
   * @param options.ringSize Changes kept per storage for watches that resume.
   */
  static open(options: { journalPath?: string | undefined, ringSize: number }): ObjectStore {
    return new ObjectStore(options.ringSize, options.journalPath)
  }

  /** The revision of the last change. */
  get revision(): number {
    return this.#revision
  }

  get(storage: string, key: string): Stored | undefined {
    return this.#tables.get(storage)?.objects.get(key)
  }

  /** All objects of a storage by key, or those of one namespace. The whole list is live: copy it to keep it over a write. */
  list(storage: string, namespace?: string): readonly Stored[] {
    const table = this.#tables.get(storage)
    if (table === undefined) return []
    table.sorted ??= [...table.objects.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
    if (namespace === undefined) return table.sorted
    const prefix = `${namespace}/`
    const from = lowerBound(table.sorted, prefix)
    let to = from
    while (to < table.sorted.length && table.sorted[to]!.key.startsWith(prefix)) to++
    return table.sorted.slice(from, to)
  }

  /** Names of the storages that hold or held something. */
  storages(): readonly string[] {
    return [...this.#tables.keys()]
  }

  /**
   * Writes an object under the next revision, which becomes its resourceVersion.
   *
   * @param object Owned by the store from here on: it is frozen.
   */
  put(storage: string, key: string, object: KubeObject): Stored {
    return this.#commit(storage, key, object).now
  }

  /** What `put` would give, without writing. */
  preview(key: string, object: KubeObject): Stored {
    return new Stored(key, this.#revision, object)
  }

  /** Removes an object; the event carries its last state. */
  remove(storage: string, key: string): Stored | undefined {
    if (this.get(storage, key) === undefined) return undefined
    return this.#commit(storage, key, undefined).now
  }

  #commit(storage: string, key: string, object: KubeObject | undefined): StoreEvent {
    const revision = this.#revision + 1
    if (object !== undefined) object.metadata.resourceVersion = String(revision)
    const event = this.#change(storage, key, revision, object)!
    // On disk first: a write that fails must not be visible.
    this.#journal?.append(revision, storage, key, object === undefined ? undefined : event.now.json)
    this.#revision = revision
    this.#apply(event)
    this.#compactIfWorthwhile()
    for (const listener of this.#listeners.get(storage) ?? []) listener(event)
    for (const listener of this.#listeners.get(undefined) ?? []) listener(event)
    return event
  }

  #change(storage: string, key: string, revision: number, object: KubeObject | undefined): StoreEvent | undefined {
    const before = this.get(storage, key)
    if (object === undefined) {
      if (before === undefined) return undefined
      const last = { ...before.object, metadata: { ...before.object.metadata, resourceVersion: String(revision) } }
      return { kind: 'deleted', revision, storage, key, now: new Stored(key, revision, last), before }
    }
    return { kind: before === undefined ? 'added' : 'modified', revision, storage, key, now: new Stored(key, revision, object), before }
  }

  #apply(event: StoreEvent): void {
    let table = this.#tables.get(event.storage)
    if (table === undefined) {
      table = { objects: new Map(), events: new EventRing(this.#ringSize), sorted: undefined }
      this.#tables.set(event.storage, table)
    }
    if (event.kind === 'deleted') table.objects.delete(event.key)
    else table.objects.set(event.key, event.now)
    if (table.sorted !== undefined) updateSorted(table.sorted, event)
    table.events.push(event)
  }

  /**
   * The changes of a storage after a revision.
   *
   * @returns undefined when some of them are no longer kept.
   */
  changesAfter(storage: string, revision: number): readonly StoreEvent[] | undefined {
    if (revision < this.#floor) return undefined
    const table = this.#tables.get(storage)
    return table === undefined ? [] : table.events.after(revision)
  }

  /**
   * Calls `listener` for every change from now on, in order and inside the write: it must not write itself.
   *
   * @param storage Only changes of this storage; all when absent.
   * @returns The way to stop it.
   */
  subscribe(listener: (event: StoreEvent) => void, storage?: string): () => void {
    const listeners = this.#listeners.getOrInsertComputed(storage, () => new Set())
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }

  #compactIfWorthwhile(): void {
    const journal = this.#journal
    if (journal === undefined || journal.size < this.#compactAt) return
    const items = [...this.#tables].flatMap(([storage, table]) => [...table.objects.values()].map(item => ({ storage, item })))
    items.sort((a, b) => a.item.revision - b.item.revision)
    journal.rewrite([
      ...items.map(({ storage, item }) => [item.revision, storage, item.key, item.json] as const),
      [this.#revision, FLOOR, '', undefined],
    ])
    // The live state alone may be larger than the first limit.
    this.#compactAt = Math.max(COMPACT_BYTES, 4 * journal.size)
  }

  /** Makes every resumption from an earlier revision fail, as after a long absence. */
  forgetHistory(): void {
    for (const table of this.#tables.values()) table.events.forget(this.#revision)
  }

  /** Puts everything written so far on the disk. */
  async sync(): Promise<void> {
    await this.#journal?.sync()
  }

  close(): void {
    this.#journal?.close()
  }
}

function updateSorted(sorted: Stored[], event: StoreEvent): void {
  const index = lowerBound(sorted, event.key)
  const isThere = sorted[index]?.key === event.key
  if (event.kind === 'deleted') {
    if (isThere) sorted.splice(index, 1)
  } else sorted.splice(index, isThere ? 1 : 0, event.now)
}

function lowerBound(items: readonly Stored[], key: string): number {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (items[middle]!.key < key) low = middle + 1
    else high = middle
  }
  return low
}

import type { Logger, Registry } from '@weft/daemon'
import { type Cidr, type Family, formatCidr, formatIp, type IpAddress, parseIp } from '@weft/ip'
import { AddressPool } from './address-pool.ts'
import { AddressRange } from './address-range.ts'
import { CoolingAddresses } from './cooling-addresses.ts'
import { formatDump } from './dump.ts'
import { IpamError } from './ipam-error.ts'
import { createAllocatorMetrics, type AllocatorMetrics } from './metrics.ts'
import { type AllocateRequest, attachmentStates, type AttachmentKey, type AttachmentRecord, type AttachmentState, keyText, type Reservation } from './model.ts'
import { familyOf, type RangeSet, rangeSetKey } from './range-set.ts'
import type { RangeSource } from './range-source.ts'
import type { StoredAttachment, StoreOperation } from './store-message.ts'
import { AttachmentStore, type Store } from './store.ts'
import { messageOf } from '@weft/daemon/message-of'
import { podUidFrom } from '@weft/api'

export interface AllocatorOptions {
  /** SQLite database of attachments. */
  readonly storePath: string
  /** Below that many free addresses of a family the range source is told. @default 0 */
  readonly lowWater?: number | undefined
  /** Milliseconds before a freed address is given to somebody else. @default 0 */
  readonly cooldownMs?: number | undefined
  /** Monotonic milliseconds, for the cool-down. @default performance.now */
  readonly now?: (() => number) | undefined
  readonly logger: Logger
  readonly registry: Registry
}

const families: readonly Family[] = [4, 6]
const neverAborted = new AbortController().signal

/** Range sets of requests that are remembered; networks of a node are few, and a bitmap has at most 8 KiB. */
const mostOwnPools = 64

interface StateWrite {
  durable: AttachmentState
  last: Promise<void>
}

/**
 * The addresses of one node. Memory decides (bitmaps), the disk is the truth: nothing counts before
 * {@link Reservation.committed}, and a double allocation cannot be committed (`UNIQUE(address)`).
 */
export class Allocator implements AsyncDisposable {
  readonly #lowWater: number
  readonly #cooling: CoolingAddresses
  readonly #logger: Logger
  readonly #metrics: AllocatorMetrics
  /** Looked up once: the label costs more than the count. */
  readonly #allocated: { inc(): void }
  readonly #store: Store
  readonly #records = new Map<string, AttachmentRecord>()
  /** Attachments whose state is being written: what the disk has, and the last write under way. */
  readonly #stateWrites = new Map<string, StateWrite>()
  readonly #pools: Readonly<Record<Family, AddressPool>> = { 4: new AddressPool(4), 6: new AddressPool(6) }
  /** Of requests that name their ranges, the least recently used first. They may overlap with the node's and with each other: what is taken in one is taken in all. */
  readonly #ownPools = new Map<string, AddressPool>()
  /** Families that have ranges, primary first. */
  #families: readonly Family[] = []
  #source: RangeSource | undefined
  /** Why the last write failed; undefined after one that did not. */
  #fault: string | undefined

  private constructor({ lowWater = 0, cooldownMs = 0, now = () => performance.now(), logger }: Omit<AllocatorOptions, 'storePath'>, store: Store, metrics: AllocatorMetrics) {
    this.#lowWater = lowWater
    this.#cooling = new CoolingAddresses(cooldownMs, now, (address) => this.#free(address))
    this.#logger = logger
    this.#metrics = metrics
    this.#allocated = metrics.allocations.labels('ok')
    this.#store = store
    for (const stored of store.attachments) this.#records.set(keyText(stored), fromStored(stored))
    for (const text of store.cursors) {
      const last = parseIp(text)
      this.#pools[last.family].resumeAfter(last)
    }
    metrics.watch(() => families.map((family) => ({ family, used: this.#pools[family].capacity - this.#pools[family].free, capacity: this.#pools[family].capacity })))
  }

  /**
   * Opens the store. Without {@link Allocator.follow} or {@link Allocator.setRanges} there is nothing to allocate from.
   *
   * @throws {IpamError} ERR_IPAM_STORE.
   */
  static async open(options: AllocatorOptions): Promise<Allocator> {
    const metrics = createAllocatorMetrics(options.registry)
    const store = await AttachmentStore.open(options.storePath, { onCommit: (ms) => metrics.commitSeconds.observe(ms / 1000) })
    return new Allocator(options, store, metrics)
  }

  /** As {@link Allocator.open}, on a store that is open already. */
  static on(store: Store, options: Omit<AllocatorOptions, 'storePath'>): Allocator {
    return new Allocator(options, store, createAllocatorMetrics(options.registry))
  }

  /** Every attachment, those being released too. */
  attachments(): readonly AttachmentRecord[] {
    return [...this.#records.values()]
  }

  find(key: AttachmentKey): AttachmentRecord | undefined {
    return this.#records.get(keyText(key))
  }

  /** Families this node has ranges for, primary first; empty until they are known. */
  get families(): readonly Family[] {
    return this.#families
  }

  /** True while ranges are known and attachments can be written; until then no CNI configuration may be written (IPAM-17). */
  get ready(): boolean {
    return this.#families.length > 0 && this.#fault === undefined
  }

  /** What keeps it from giving addresses, with the remedy, as far as that is known. */
  get trouble(): string | undefined {
    if (this.#fault !== undefined) return `attachments of pods cannot be kept: ${this.#fault}; free space on that file system, or make it writable`
    return this.#families.length > 0 ? undefined : this.#source?.trouble
  }

  /** Finds out whether attachments can be written again, where they could not. Rejects while they cannot. */
  async mend(): Promise<void> {
    if (this.#fault !== undefined) await this.#write({ kind: 'probe' })
  }

  /**
   * Makes these the ranges of this node. One that cannot be used is refused alone. Attachments outside keep their addresses.
   *
   * @param cidrs Primary family first.
   */
  setRanges(cidrs: readonly Cidr[]): void {
    const usable = cidrs.filter((cidr) => {
      try {
        return new AddressRange({ subnet: cidr }).capacity > 0
      } catch (error) {
        this.#logger.error({ range: formatCidr(cidr), error: messageOf(error) }, 'range refused')
        return false
      }
    })
    for (const family of families) this.#pools[family].setRanges(usable.filter((cidr) => cidr.family === family).map((subnet) => ({ subnet })), this.#addressesInUse())
    this.#families = [...new Set(usable.map((cidr) => cidr.family))]
  }

  /** Takes ranges from a source from now on; {@link Allocator.run} runs it. */
  follow(source: RangeSource): void {
    this.#source = source
  }

  /** Families with less room than wanted; a source asks before it takes more. */
  short(): readonly Family[] {
    this.#cooling.settle()
    return families.filter((family) => this.#pools[family].free < Math.max(1, this.#lowWater))
  }

  /** Follows the range source until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#source?.run(signal)
  }

  /**
   * Reserves one address per family, all or nothing.
   *
   * @throws {IpamError} ERR_IPAM_DUPLICATE_ALLOCATION (IPAM-5), ERR_IPAM_POOL_EXHAUSTED (IPAM-7),
   *   ERR_IPAM_ADDRESS_UNAVAILABLE (IPAM-8), ERR_IPAM_NOT_READY.
   */
  async allocate(request: AllocateRequest, { signal = neverAborted }: { readonly signal?: AbortSignal } = {}): Promise<Reservation> {
    try {
      return this.#reserve(request)
    } catch (error) {
      if (this.#source === undefined || !(error instanceof IpamError) || error.code !== 'ERR_IPAM_POOL_EXHAUSTED') throw this.#counted(error)
      for (const family of request.families ?? this.#families) if (this.#pools[family].free === 0) await this.#source.grow(family, signal)
    }
    try {
      return this.#reserve(request)
    } catch (error) {
      throw this.#counted(error)
    }
  }

  /** The runtime has its answer. A failure to write this down is harmless and only rejects the promise. */
  confirm(key: AttachmentKey): Promise<void> {
    return this.find(key)?.state === 'pending' ? this.#setState(key, 'attached') : Promise.resolve()
  }

  /**
   * Notes that an attachment goes away; its addresses stay reserved until {@link Allocator.release}.
   *
   * @returns The attachment, or undefined if there is none (IPAM-6), when that is on disk.
   */
  async beginRelease(key: AttachmentKey): Promise<AttachmentRecord | undefined> {
    if (!this.#records.has(keyText(key))) return undefined
    await this.#setState(key, 'releasing')
    return this.find(key)
  }

  /** Frees the addresses of exactly this attachment; nothing happens if there is none (IPAM-6). */
  async release(key: AttachmentKey): Promise<void> {
    const text = keyText(key)
    if (!this.#records.has(text)) return
    await this.#write({ kind: 'delete', containerId: key.containerId, ifname: key.ifname })
    // Only now: an address that is free in memory and taken on disk could not be committed.
    const record = this.#records.get(text)
    this.#records.delete(text)
    for (const address of record?.ips ?? []) this.#cooling.add(address)
  }

  /**
   * Takes over an attachment that the store has lost, with the addresses it has.
   *
   * @throws {IpamError} ERR_IPAM_STORE, also if an address belongs to another attachment.
   */
  async restore(record: AttachmentRecord): Promise<void> {
    await this.#write({ kind: 'insert', attachment: toStored(record) })
    this.#records.set(keyText(record), record)
    for (const address of record.ips) this.#occupy(address)
  }

  /** Where a store that could not be read was put when this one was opened; its attachments are unknown. */
  get setAside(): string | undefined {
    return this.#store.setAside
  }

  /** Ranges and attachments as a table for people. */
  dump(): string {
    return formatDump(this.#source?.mode ?? 'static', families.flatMap((family) => this.#pools[family].ranges), this.attachments())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]()
  }

  async #write(operation: StoreOperation): Promise<void> {
    try {
      await this.#store.write(operation)
      this.#fault = undefined
    } catch (error) {
      // An address that somebody has is no fault of the disk.
      if (!messageOf(error).includes('constraint failed')) this.#fault = messageOf(error)
      throw error
    }
  }

  #reserve(request: AllocateRequest): Reservation {
    this.#cooling.settle()
    const key = keyText(request)
    const known = this.#records.get(key)
    if (known !== undefined) {
      throw new IpamError('ERR_IPAM_DUPLICATE_ALLOCATION', `Cannot allocate address for "${key}": ${known.ips.map(formatIp).join(', ')} has been allocated to ${known.containerId}, duplicate allocation is not allowed`)
    }
    const addresses = this.#take(request, key)
    const record: AttachmentRecord = {
      containerId: request.containerId, ifname: request.ifname, ...request.pod, hostIfname: request.hostIfname, ips: addresses,
      state: 'pending', netns: request.netns, data: request.data ?? '',
    }
    this.#records.set(key, record)
    this.#allocated.inc()
    for (const { family } of addresses) if (this.#pools[family].free === this.#lowWater - 1) this.#source?.low()
    const committed = this.#commit(key, record)
    // The caller may find another error first and never look at this one.
    committed.catch(() => undefined)
    return { addresses, committed }
  }

  async #commit(key: string, record: AttachmentRecord): Promise<void> {
    try {
      await this.#write({ kind: 'insert', attachment: toStored(record) })
    } catch (error) {
      this.#records.delete(key)
      for (const address of record.ips) this.#free(address)
      throw this.#counted(error)
    }
  }

  #take(request: AllocateRequest, who: string): readonly IpAddress[] {
    const wanted = request.families ?? this.#familiesFor(request.ranges)
    if (wanted.length === 0) throw new IpamError('ERR_IPAM_NOT_READY', `Cannot allocate address for "${who}": this node has no range yet, wanted one from its podCIDRs or a pool`)
    const requested = request.requested ?? []
    for (const [index, address] of requested.entries()) {
      // IPAM-8: a request that would not be honoured is an error.
      if (!wanted.includes(address.family) || requested.findIndex(({ family }) => family === address.family) !== index)
        throw new IpamError('ERR_IPAM_ADDRESS_UNAVAILABLE', `Cannot allocate address "${formatIp(address)}" for "${who}": one address of each of the families ${wanted.join(', ')} is given, and this one would be left over`)
    }
    const taken: IpAddress[] = []
    try {
      for (const family of wanted) {
        const set = request.ranges?.find((candidate) => familyOf(candidate) === family)
        const pool = set === undefined ? this.#pools[family] : this.#ownPool(set)
        const named = requested.find((address) => address.family === family)
        if (named !== undefined) {
          this.#cooling.hurry(named)
          pool.take(named, who)
        }
        const address = named ?? pool.next(who)
        taken.push(address)
        if (this.#ownPools.size > 0) this.#occupy(address)
      }
      return taken
    } catch (error) {
      for (const address of taken) this.#free(address)
      throw error
    }
  }

  /** Those of the ranges of a request, then the others that the node has. */
  #familiesFor(ranges: readonly RangeSet[] = []): readonly Family[] {
    return ranges.length === 0 ? this.#families : [...new Set([...ranges.map(familyOf), ...this.#families])]
  }

  #ownPool(set: RangeSet): AddressPool {
    const key = rangeSetKey(set)
    let pool = this.#ownPools.get(key)
    if (pool === undefined) {
      pool = new AddressPool(familyOf(set))
      pool.setRanges(set, this.#addressesInUse())
    }
    this.#ownPools.delete(key)
    this.#ownPools.set(key, pool)
    // What is forgotten is only where its round was: bitmaps are made from what is in use.
    for (const oldest of this.#ownPools.keys()) if (this.#ownPools.size > mostOwnPools) this.#ownPools.delete(oldest)
    return pool
  }

  #occupy(address: IpAddress): void {
    this.#pools[address.family].occupy(address)
    for (const pool of this.#ownPools.values()) if (pool.family === address.family) pool.occupy(address)
  }

  #free(address: IpAddress): void {
    this.#pools[address.family].release(address)
    for (const pool of this.#ownPools.values()) if (pool.family === address.family) pool.release(address)
  }

  /** Resolves when the state is on disk, also for the one who asks while another's write of it is under way. */
  #setState(key: AttachmentKey, state: AttachmentState): Promise<void> {
    const text = keyText(key)
    const record = this.#records.get(text)
    if (record === undefined) return Promise.resolve()
    const under = this.#stateWrites.get(text)
    if (record.state === state) return under?.last ?? Promise.resolve()
    this.#records.set(text, { ...record, state })
    const write: StateWrite = under ?? { durable: record.state, last: Promise.resolve() }
    this.#stateWrites.set(text, write)
    const last = this.#writeState(key, state, write, () => write.last === last)
    write.last = last
    return last
  }

  async #writeState(key: AttachmentKey, state: AttachmentState, write: StateWrite, isLast: () => boolean): Promise<void> {
    const text = keyText(key)
    try {
      await this.#write({ kind: 'state', containerId: key.containerId, ifname: key.ifname, state })
      write.durable = state
    } finally {
      // Memory goes back to what the disk has, or a repeated DEL would be answered though nothing is written.
      if (isLast()) {
        this.#stateWrites.delete(text)
        const record = this.#records.get(text)
        if (record !== undefined) this.#records.set(text, { ...record, state: write.durable })
      }
    }
  }

  #counted(error: unknown): unknown {
    this.#metrics.allocations.inc({ result: error instanceof IpamError ? error.code : 'error' })
    return error
  }

  *#addressesInUse(): Generator<IpAddress> {
    for (const record of this.#records.values()) yield* record.ips
    yield* this.#cooling.addresses()
  }
}

function toStored({ containerId, ifname, state, namespace, name, uid, netns, hostIfname, data, ips }: AttachmentRecord): StoredAttachment {
  return { containerId, ifname, state, namespace, name, uid: uid ?? '', netns, hostIfname, data, addresses: ips.map(formatIp) }
}

function fromStored({ addresses, state, uid, ...rest }: StoredAttachment): AttachmentRecord {
  return { ...rest, uid: podUidFrom(uid), state: attachmentStates.find((known) => known === state) ?? 'attached', ips: addresses.map(parseIp) }
}

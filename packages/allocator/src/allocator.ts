import type { Logger, Registry } from '@weft/daemon'
import { type Cidr, type Family, formatCidr, formatIp, type IpAddress, parseIp } from '@weft/ip'
import { AddressPools } from './address-pools.ts'
import { AddressRange } from './address-range.ts'
import { CoolingAddresses } from './cooling-addresses.ts'
import { formatDump } from './dump.ts'
import { IpamError } from './ipam-error.ts'
import { Ledger } from './ledger.ts'
import { createAllocatorMetrics, type AllocatorMetrics } from './metrics.ts'
import { type AllocateRequest, type AttachmentKey, type AttachmentRecord, keyText, type Reservation } from './model.ts'
import { familyOf, type RangeSet } from './range-set.ts'
import type { RangeSource } from './range-source.ts'
import { AttachmentStore, type Store } from './store.ts'
import { messageOf } from '@weft/daemon/message-of'

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
  readonly #ledger: Ledger
  readonly #pools = new AddressPools(() => this.#addressesInUse())
  /** Families that have ranges, primary first. */
  #families: readonly Family[] = []
  #source: RangeSource | undefined
  private constructor({ lowWater = 0, cooldownMs = 0, now = () => performance.now(), logger }: Omit<AllocatorOptions, 'storePath'>, store: Store, metrics: AllocatorMetrics) {
    this.#lowWater = lowWater
    this.#cooling = new CoolingAddresses(cooldownMs, now, (address) => this.#pools.free(address))
    this.#logger = logger
    this.#metrics = metrics
    this.#allocated = metrics.allocations.labels('ok')
    this.#store = store
    this.#ledger = new Ledger(store)
    for (const text of store.cursors) {
      const last = parseIp(text)
      this.#pools.of(last.family).resumeAfter(last)
    }
    metrics.watch(() => families.map((family) => ({ family, used: this.#pools.of(family).capacity - this.#pools.of(family).free, capacity: this.#pools.of(family).capacity })))
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
    return [...this.#ledger.records()]
  }

  find(key: AttachmentKey): AttachmentRecord | undefined {
    return this.#ledger.find(key)
  }

  /** Families this node has ranges for, primary first; empty until they are known. */
  get families(): readonly Family[] {
    return this.#families
  }

  /** True while ranges are known and attachments can be written; until then no CNI configuration may be written (IPAM-17). */
  get ready(): boolean {
    return this.#families.length > 0 && this.#ledger.fault === undefined
  }

  /** What keeps it from giving addresses, with the remedy, as far as that is known. */
  get trouble(): string | undefined {
    const { fault } = this.#ledger
    if (fault !== undefined) return `attachments of pods cannot be kept: ${fault}; free space on that file system, or make it writable`
    return this.#families.length > 0 ? undefined : this.#source?.trouble
  }

  /** Finds out whether attachments can be written again, where they could not. Rejects while they cannot. */
  async mend(): Promise<void> {
    await this.#ledger.probe()
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
    this.#pools.setRanges(usable)
    this.#families = [...new Set(usable.map((cidr) => cidr.family))]
  }

  /** Takes ranges from a source from now on; {@link Allocator.run} runs it. */
  follow(source: RangeSource): void {
    this.#source = source
  }

  /** Families with less room than wanted; a source asks before it takes more. */
  short(): readonly Family[] {
    this.#cooling.settle()
    return families.filter((family) => this.#pools.of(family).free < Math.max(1, this.#lowWater))
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
      for (const family of request.families ?? this.#families) if (this.#pools.of(family).free === 0) await this.#source.grow(family, signal)
    }
    try {
      return this.#reserve(request)
    } catch (error) {
      throw this.#counted(error)
    }
  }

  /** The runtime has its answer. A failure to write this down is harmless and only rejects the promise. */
  confirm(key: AttachmentKey): Promise<void> {
    return this.find(key)?.state === 'pending' ? this.#ledger.setState(key, 'attached') : Promise.resolve()
  }

  /**
   * Notes that an attachment goes away; its addresses stay reserved until {@link Allocator.release}.
   *
   * @returns The attachment, or undefined if there is none (IPAM-6), when that is on disk.
   */
  async beginRelease(key: AttachmentKey): Promise<AttachmentRecord | undefined> {
    if (this.find(key) === undefined) return undefined
    await this.#ledger.setState(key, 'releasing')
    return this.find(key)
  }

  /** Frees the addresses of exactly this attachment; nothing happens if there is none (IPAM-6). */
  async release(key: AttachmentKey): Promise<void> {
    if (this.find(key) === undefined) return
    // Only then: an address that is free in memory and taken on disk could not be committed.
    const record = await this.#ledger.delete(key)
    for (const address of record?.ips ?? []) this.#cooling.add(address)
  }

  /**
   * Takes over an attachment that the store has lost, with the addresses it has.
   *
   * @throws {IpamError} ERR_IPAM_STORE, also if an address belongs to another attachment.
   */
  async restore(record: AttachmentRecord): Promise<void> {
    await this.#ledger.restore(record)
    for (const address of record.ips) this.#pools.occupy(address)
  }

  /** Where a store that could not be read was put when this one was opened; its attachments are unknown. */
  get setAside(): string | undefined {
    return this.#store.setAside
  }

  /** Ranges and attachments as a table for people. */
  dump(): string {
    return formatDump(this.#source?.mode ?? 'static', families.flatMap((family) => this.#pools.of(family).ranges), this.attachments())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#store[Symbol.asyncDispose]()
  }

  #reserve(request: AllocateRequest): Reservation {
    this.#cooling.settle()
    const key = keyText(request)
    const known = this.find(request)
    if (known !== undefined) {
      throw new IpamError('ERR_IPAM_DUPLICATE_ALLOCATION', `Cannot allocate address for "${key}": ${known.ips.map(formatIp).join(', ')} has been allocated to ${known.containerId}, duplicate allocation is not allowed`)
    }
    const addresses = this.#take(request, key)
    const record: AttachmentRecord = {
      containerId: request.containerId, ifname: request.ifname, ...request.pod, hostIfname: request.hostIfname, ips: addresses,
      state: 'pending', netns: request.netns, data: request.data ?? '',
    }
    const written = this.#ledger.add(record)
    this.#allocated.inc()
    for (const { family } of addresses) if (this.#pools.of(family).free === this.#lowWater - 1) this.#source?.low()
    const committed = this.#committed(written, record.ips)
    // The caller may find another error first and never look at this one.
    committed.catch(() => undefined)
    return { addresses, committed }
  }

  async #committed(written: Promise<void>, addresses: readonly IpAddress[]): Promise<void> {
    try {
      await written
    } catch (error) {
      for (const address of addresses) this.#pools.free(address)
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
        const pool = set === undefined ? this.#pools.of(family) : this.#pools.for(set)
        const named = requested.find((address) => address.family === family)
        if (named !== undefined) {
          this.#cooling.hurry(named)
          pool.take(named, who)
        }
        const address = named ?? pool.next(who)
        taken.push(address)
        this.#pools.occupyElsewhere(address)
      }
      return taken
    } catch (error) {
      for (const address of taken) this.#pools.free(address)
      throw error
    }
  }

  /** Those of the ranges of a request, then the others that the node has. */
  #familiesFor(ranges: readonly RangeSet[] = []): readonly Family[] {
    return ranges.length === 0 ? this.#families : [...new Set([...ranges.map(familyOf), ...this.#families])]
  }

  #counted(error: unknown): unknown {
    this.#metrics.allocations.inc({ result: error instanceof IpamError ? error.code : 'error' })
    return error
  }

  *#addressesInUse(): Generator<IpAddress> {
    for (const record of this.#ledger.records()) yield* record.ips
    yield* this.#cooling.addresses()
  }
}

/**
 * An {@link AddressPort} for tests that outlives its process, as the real one does (features know each other only as
 * ports, so @weft/ipam is not at hand): SQLite with a commit that waits for the disk, a little after `allocate` returns.
 */
import { DatabaseSync } from 'node:sqlite'
import { setImmediate } from 'node:timers/promises'
import { type Cidr, firstIp, formatIp, type IpAddress, ipFromBits, parseIp } from '@weft/ip'
import type { AddressPort, AddressRequest, AddressReservation, AttachmentKey, StoredAttachment } from '../src/ports.ts'

class AddressError extends Error {
  readonly retryable = false
}

const mostAddresses = 254n

export class DurableAddresses implements AddressPort, Disposable {
  ready = true
  readonly #database: DatabaseSync
  readonly #ranges: readonly Cidr[]
  readonly #attachments = new Map<string, StoredAttachment>()
  #next = 0n

  constructor(path: string, ranges: readonly Cidr[]) {
    this.#ranges = ranges
    this.#database = new DatabaseSync(path)
    this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS attachment (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT')
    for (const row of this.#database.prepare('SELECT key, value FROM attachment').all()) {
      const { ips, ...rest }: Omit<StoredAttachment, 'ips'> & { readonly ips: readonly string[] } = JSON.parse(String(row['value']))
      this.#attachments.set(String(row['key']), { ...rest, ips: ips.map(parseIp) })
    }
  }

  attachments(): readonly StoredAttachment[] {
    return [...this.#attachments.values()]
  }

  find(key: AttachmentKey): StoredAttachment | undefined {
    return this.#attachments.get(textOf(key))
  }

  async allocate({ pod, requested = [], data = '', ...request }: AddressRequest): Promise<AddressReservation> {
    const key = textOf(request)
    if (this.#attachments.has(key)) throw new AddressError(`Cannot allocate address for "${key}": duplicate allocation is not allowed`)
    const addresses = this.#ranges.map((range) => requested.find(({ family }) => family === range.family) ?? this.#free(range))
    if (addresses.some((address) => this.#taken().has(formatIp(address)))) throw new AddressError(`Cannot allocate address for "${key}": it is in use`)
    this.#attachments.set(key, { ...request, ...pod, ips: addresses, state: 'pending', data })
    return { addresses, committed: this.#commit(key) }
  }

  async confirm(key: AttachmentKey): Promise<void> {
    await this.#setState(key, 'attached')
  }

  async beginRelease(key: AttachmentKey): Promise<StoredAttachment | undefined> {
    await this.#setState(key, 'releasing')
    return this.find(key)
  }

  async release(key: AttachmentKey): Promise<void> {
    this.#attachments.delete(textOf(key))
    await this.#commit(textOf(key))
  }

  [Symbol.dispose](): void {
    this.#database.close()
  }

  #taken(): ReadonlySet<string> {
    return new Set(this.attachments().flatMap(({ ips }) => ips.map(formatIp)))
  }

  /** Round robin over both families at once, so that a pod's two addresses end alike. */
  #free(range: Cidr): IpAddress {
    const taken = this.#taken()
    const first = range === this.#ranges[0]
    for (let step = 0n; step < mostAddresses; step += 1n) {
      if (first) this.#next = (this.#next + 1n) % mostAddresses
      const address = ipFromBits(range.family, firstIp(range).bits + 1n + this.#next)
      if (this.#next > 0n && !taken.has(formatIp(address))) return address
    }
    throw new AddressError('Cannot allocate address: no IP addresses available in range set')
  }

  async #setState(key: AttachmentKey, state: StoredAttachment['state']): Promise<void> {
    const known = this.find(key)
    if (known === undefined) return
    this.#attachments.set(textOf(key), { ...known, state })
    await this.#commit(textOf(key))
  }

  async #commit(key: string): Promise<void> {
    await setImmediate()
    const value = this.#attachments.get(key)
    if (value === undefined) this.#database.prepare('DELETE FROM attachment WHERE key = ?').run(key)
    else this.#database.prepare('INSERT OR REPLACE INTO attachment VALUES (?, ?)').run(key, JSON.stringify({ ...value, ips: value.ips.map(formatIp) }))
  }
}

function textOf({ containerId, ifname }: AttachmentKey): string {
  return `${containerId}/${ifname}`
}

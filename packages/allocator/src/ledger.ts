import { podUidFrom } from '@weft/api'
import { messageOf } from '@weft/daemon/message-of'
import { formatIp, parseIp } from '@weft/ip'
import { type AttachmentKey, type AttachmentRecord, type AttachmentState, attachmentStates, keyText } from './model.ts'
import type { StoredAttachment, StoreOperation } from './store-message.ts'
import type { Store } from './store.ts'

interface StateWrite {
  durable: AttachmentState
  last: Promise<void>
}

/** Attachments in memory, where they are looked up, and on disk, where they are true: what could not be written is not in memory either. */
export class Ledger {
  readonly #store: Pick<Store, 'write'>
  readonly #records = new Map<string, AttachmentRecord>()
  /** Attachments whose state is being written: what the disk has, and the last write under way. */
  readonly #stateWrites = new Map<string, StateWrite>()
  #fault: string | undefined

  constructor(store: Pick<Store, 'attachments' | 'write'>) {
    this.#store = store
    for (const stored of store.attachments) this.#records.set(keyText(stored), fromStored(stored))
  }

  /** Why the last write failed; undefined after one that did not. */
  get fault(): string | undefined {
    return this.#fault
  }

  records(): Iterable<AttachmentRecord> {
    return this.#records.values()
  }

  find(key: AttachmentKey): AttachmentRecord | undefined {
    return this.#records.get(keyText(key))
  }

  /** In memory at once. Resolves when it is on disk; rejects, and then it is not here. */
  async add(record: AttachmentRecord): Promise<void> {
    const key = keyText(record)
    this.#records.set(key, record)
    try {
      await this.#write({ kind: 'insert', attachment: toStored(record) })
    } catch (error) {
      this.#records.delete(key)
      throw error
    }
  }

  /** As {@link Ledger.add}, but in memory only when it is on disk: nobody asked for it. */
  async restore(record: AttachmentRecord): Promise<void> {
    await this.#write({ kind: 'insert', attachment: toStored(record) })
    this.#records.set(keyText(record), record)
  }

  /** @returns What was there, when it is off the disk. */
  async delete(key: AttachmentKey): Promise<AttachmentRecord | undefined> {
    await this.#write({ kind: 'delete', containerId: key.containerId, ifname: key.ifname })
    const text = keyText(key)
    const record = this.#records.get(text)
    this.#records.delete(text)
    return record
  }

  /** Finds out whether something can be written again, where it could not. Rejects while it cannot. */
  async probe(): Promise<void> {
    if (this.#fault !== undefined) await this.#write({ kind: 'probe' })
  }

  /** Resolves when the state is on disk, also for the one who asks while another's write of it is under way. */
  setState(key: AttachmentKey, state: AttachmentState): Promise<void> {
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
}

function toStored({ containerId, ifname, state, namespace, name, uid, netns, hostIfname, data, ips }: AttachmentRecord): StoredAttachment {
  return { containerId, ifname, state, namespace, name, uid: uid ?? '', netns, hostIfname, data, addresses: ips.map(formatIp) }
}

function fromStored({ addresses, state, uid, ...rest }: StoredAttachment): AttachmentRecord {
  return { ...rest, uid: podUidFrom(uid), state: attachmentStates.find((known) => known === state) ?? 'attached', ips: addresses.map(parseIp) }
}

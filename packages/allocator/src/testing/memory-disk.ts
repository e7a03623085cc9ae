import { waitsForDisk, type StoredAttachment, type StoreOperation } from '../store-message.ts'
import type { Store } from '../store.ts'

interface Written {
  readonly operation: StoreOperation
  /** It is on disk, or something behind it that waited for the disk is. */
  synced: boolean
}

/**
 * A disk for stores, in memory, that keeps the promises of the real one and no other: writes become durable in the order given; only a
 * reservation waits for the disk, so a power cut takes the others back unless something behind them waited.
 */
export class MemoryDisk {
  readonly #log: Written[] = []
  #owner = 0

  /** Opens a store; whoever had it before is dead and writes nothing more. */
  open(): Store {
    this.#owner += 1
    const owner = this.#owner
    const rows = this.#rows()
    const cursors = new Map<number, string>()
    for (const { operation } of this.#log)
      if (operation.kind === 'insert') for (const address of operation.attachment.addresses) cursors.set(address.includes(':') ? 6 : 4, address)
    return {
      attachments: [...rows.values()],
      cursors: [...cursors.values()],
      setAside: undefined,
      write: async (operation) => {
        // A disk takes its time; a process that is dead by then has written nothing.
        await new Promise<void>((resolve) => void setImmediate(resolve))
        if (owner !== this.#owner) return await new Promise<never>(() => undefined)
        const refused = this.#refusal(operation)
        if (refused !== undefined) throw new Error(refused)
        this.#log.push({ operation, synced: false })
        if (waitsForDisk(operation)) for (const written of this.#log) written.synced = true
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }
  }

  /** The process is killed: what it had written stays, what was on its way is lost. */
  kill(): void {
    this.#owner += 1
  }

  /** The power goes: what had not waited for the disk may be lost, from some point on. @param keep Of the unsynced writes, how many survive. */
  powerCut(keep: number): void {
    this.kill()
    const firstUnsynced = this.#log.findIndex(({ synced }) => !synced)
    if (firstUnsynced !== -1) this.#log.splice(firstUnsynced + keep)
  }

  /** How many writes a power cut could take. */
  get unsynced(): number {
    return this.#log.filter(({ synced }) => !synced).length
  }

  #rows(): ReadonlyMap<string, StoredAttachment> {
    const rows = new Map<string, StoredAttachment>()
    for (const { operation } of this.#log) {
      if (operation.kind === 'probe') continue
      if (operation.kind === 'insert') {
        rows.set(`${operation.attachment.containerId}/${operation.attachment.ifname}`, operation.attachment)
        continue
      }
      const key = `${operation.containerId}/${operation.ifname}`
      const row = rows.get(key)
      if (operation.kind === 'delete') rows.delete(key)
      else if (row !== undefined) rows.set(key, { ...row, state: operation.state })
    }
    return rows
  }

  /** What `UNIQUE` and `PRIMARY KEY` would say. */
  #refusal(operation: StoreOperation): string | undefined {
    if (operation.kind !== 'insert') return undefined
    const { containerId, ifname, addresses } = operation.attachment
    for (const row of this.#rows().values()) {
      if (row.containerId === containerId && row.ifname === ifname) return `UNIQUE constraint failed: ${containerId}/${ifname}`
      const twice = addresses.find((address) => row.addresses.includes(address))
      if (twice !== undefined) return `UNIQUE constraint failed: ${twice}`
    }
    return undefined
  }
}

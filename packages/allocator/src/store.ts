import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { IpamError } from './ipam-error.ts'
import type { StoredAttachment, StoreMessage, StoreOperation, StoreReply, StoreRequest } from './store-message.ts'
import { messageOf } from '@weft/daemon/message-of'

interface Waiter {
  readonly resolve: () => void
  readonly reject: (error: IpamError) => void
}

/** A durable list of attachments. */
export interface Store extends AsyncDisposable {
  /** What it held when it was opened. */
  readonly attachments: readonly StoredAttachment[]
  /** The last address handed out, one per family. */
  readonly cursors: readonly string[]
  /** Where a file that could not be read was put; undefined if it could. */
  readonly setAside: string | undefined
  /** Resolves when it is on disk; writes are done in the order given. Rejects if nothing of it was written. */
  write(operation: StoreOperation): Promise<void>
}

export interface StoreOptions {
  /** Told how long each group commit took, in milliseconds. */
  readonly onCommit?: ((ms: number) => void) | undefined
  /** How long to wait for an agent that is just ending. @default 5000 */
  readonly lockTimeoutMs?: number | undefined
}

/**
 * The attachments of this node on disk: SQLite in a worker, WAL with `synchronous=FULL`, `UNIQUE(address)`.
 * A promise of {@link AttachmentStore.write} resolves when its transaction is on disk; writes are done in the order given.
 */
export class AttachmentStore implements Store {
  readonly #path: string
  readonly #worker: Worker
  readonly #onCommit: (ms: number) => void
  readonly #waiting = new Map<number, Waiter>()
  readonly #exited: Promise<void>
  #outbox: StoreRequest[] = []
  #lastId = 0
  #closed = false

  readonly attachments: readonly StoredAttachment[]
  readonly cursors: readonly string[]
  readonly setAside: string | undefined

  private constructor(path: string, worker: Worker, held: Extract<StoreReply, { kind: 'open' }>, onCommit: (ms: number) => void) {
    this.#path = path
    this.#worker = worker
    this.#onCommit = onCommit
    this.attachments = held.attachments
    this.cursors = held.cursors
    this.setAside = held.setAside
    worker.on('message', (reply: StoreReply) => this.#settle(reply))
    this.#exited = new Promise((resolve) => {
      worker.once('exit', () => {
        this.#closed = true
        this.#rejectAll('its worker has ended')
        resolve()
      })
    })
    worker.once('error', (error) => this.#rejectAll(messageOf(error)))
  }

  /**
   * @param path Of the database; its folder is created.
   * A file that is damaged or of another version is put aside and a new one begun: see {@link AttachmentStore.setAside}.
   *
   * @throws {IpamError} ERR_IPAM_STORE if the file cannot be made or is open in another process.
   */
  static async open(path: string, { onCommit = () => undefined, lockTimeoutMs = 5000 }: StoreOptions = {}): Promise<AttachmentStore> {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    const source = import.meta.url.endsWith('.ts') ? './store-worker.ts' : './store-worker.js'
    const worker = new Worker(new URL(source, import.meta.url), { workerData: { path, lockTimeoutMs }, name: 'weft-allocator-store' })
    const first = await new Promise<StoreReply>((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    if (first.kind !== 'open') {
      await worker.terminate()
      throw new IpamError('ERR_IPAM_STORE', `Cannot open store "${path}": ${first.kind === 'failed' ? first.error : 'its worker answers out of turn'}`)
    }
    return new AttachmentStore(path, worker, first, onCommit)
  }

  /** @throws {IpamError} ERR_IPAM_STORE; then nothing of this operation was written. */
  write(operation: StoreOperation): Promise<void> {
    if (this.#closed) return Promise.reject(this.#error('the store is closed'))
    this.#lastId += 1
    const id = this.#lastId
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      // One message for all that is asked in one turn: a message costs more than what it asks for.
      if (this.#outbox.push({ id, operation }) === 1) setImmediate(() => this.#flush())
    })
  }

  #flush(): void {
    if (this.#outbox.length > 0) this.#post(this.#outbox.splice(0))
  }

  #post(message: StoreMessage): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    this.#worker.postMessage(message)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#closed) {
      this.#closed = true
      this.#flush()
      this.#post('close')
    }
    await this.#exited
  }

  #settle(reply: StoreReply): void {
    if (reply.kind !== 'done') return
    this.#onCommit(reply.commitMs)
    for (const { id, error } of reply.results) {
      const waiter = this.#waiting.get(id)
      this.#waiting.delete(id)
      if (error === undefined) waiter?.resolve()
      else waiter?.reject(this.#error(error))
    }
  }

  #rejectAll(reason: string): void {
    for (const waiter of this.#waiting.values()) waiter.reject(this.#error(reason))
    this.#waiting.clear()
  }

  #error(reason: string): IpamError {
    return new IpamError('ERR_IPAM_STORE', `Cannot write store "${this.#path}": ${reason}`)
  }
}

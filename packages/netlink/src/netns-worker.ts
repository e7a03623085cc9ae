import { Worker } from 'node:worker_threads'
import { NetlinkError } from './errors.ts'
import type { NetlinkProtocol } from './netlink-protocol.ts'
import type { NetnsJob, NetnsJobMessage, NetnsResultMessage } from './netns-job.ts'

interface Waiting {
  /** `never`: each waiter has a type of its own, that of its job. */
  readonly resolve: (value: never) => void
  readonly reject: (error: unknown) => void
}

/**
 * A thread that enters network namespaces on behalf of the main thread, which never does.
 * Started at the first job (25 ms), kept for the next (there and back 4 us), and never a
 * reason for the process to stay alive.
 */
export class NetnsWorker implements AsyncDisposable {
  #worker: Worker | undefined
  #nextId = 1
  readonly #waiting = new Map<number, Waiting>()

  /** Makes a network namespace and pins it to a new file at `path`; missing folders are made. */
  async create(path: string): Promise<void> {
    await this.#do<void>({ kind: 'create', path })
  }

  /** Unpins a namespace and removes its file; no file is no error. The namespace goes with its last process, socket or mount. */
  async delete(path: string): Promise<void> {
    await this.#do<void>({ kind: 'delete', path })
  }

  /** Opens a netlink socket in a namespace. The caller owns the descriptor. */
  async openSocket(path: string, protocol: NetlinkProtocol): Promise<number> {
    return this.#do<number>({ kind: 'open', path, protocol })
  }

  /** Opens sockets in a new namespace that has no file and ends with the last of them. The caller owns the descriptors. */
  async openScratch(protocols: readonly NetlinkProtocol[]): Promise<number[]> {
    return this.#do<number[]>({ kind: 'scratch', protocols })
  }

  /** Writes sysctls in order; `path` undefined means the process's own namespace. */
  async writeSysctls(path: string | undefined, values: Readonly<Record<string, string>>, { folder = '/proc/sys' }: { readonly folder?: string | undefined } = {}): Promise<void> {
    await this.#do<void>({ kind: 'sysctls', path, values, folder })
  }

  async readSysctls(path: string | undefined, names: readonly string[]): Promise<Record<string, string>> {
    return this.#do<Record<string, string>>({ kind: 'readSysctls', path, names })
  }

  /**
   * Calls an exported function in a namespace and gives what it returns (structured clone both ways).
   * Other jobs of this worker wait until it is done: functions that wait deserve a worker of their own.
   */
  async run(path: string, action: { readonly module: URL | string, readonly name: string, readonly data?: unknown }): Promise<unknown> {
    return this.#do<unknown>({ kind: 'run', path, module: String(action.module), name: action.name, data: action.data })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const worker = this.#worker
    if (worker === undefined) return
    await this.#do<void>({ kind: 'end' })
    this.#worker = undefined
    await worker.terminate()
  }

  #do<T>(job: NetnsJob): Promise<T> {
    const worker = (this.#worker ??= this.#start())
    const id = this.#nextId++
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      worker.ref()
      const message: NetnsJobMessage = { id, job }
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      worker.postMessage(message)
    })
  }

  #start(): Worker {
    // Source and build differ in the extension only.
    const program = import.meta.url.endsWith('.ts') ? new URL('./netns-thread.ts', import.meta.url) : new URL('./netns-thread.js', import.meta.url)
    // A program given with `node -e` says what kind of text it is; the thread's program is a file.
    const worker = new Worker(program, { execArgv: process.execArgv.filter((option) => !option.startsWith('--input-type')) })
    worker.on('message', (message: NetnsResultMessage & { readonly value: never }) => this.#settle(message))
    worker.on('error', (error) => this.#lose(worker, error))
    worker.on('exit', (code) => this.#lose(worker, new Error(`Cannot finish namespace job: its worker ended with code ${code}`)))
    worker.unref()
    return worker
  }

  #settle({ id, value, error }: NetnsResultMessage & { readonly value: never }): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (this.#waiting.size === 0) this.#worker?.unref()
    if (error === undefined) waiting?.resolve(value)
    else waiting?.reject('errno' in error ? new NetlinkError(error) : error.thrown)
  }

  #lose(worker: Worker, error: unknown): void {
    if (this.#worker === worker) this.#worker = undefined
    for (const waiting of this.#waiting.values()) waiting.reject(error)
    this.#waiting.clear()
  }
}

const shared = new NetnsWorker()

/** The worker every function of this package uses. Its thread starts with the first job. */
export function sharedNetnsWorker(): NetnsWorker {
  return shared
}

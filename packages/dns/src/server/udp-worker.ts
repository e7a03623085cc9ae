import { Worker } from 'node:worker_threads'
import type { ListenAddress } from '@weft/api'
import type { Logger } from '@weft/daemon'
import type { ZoneOptions } from '../compile.ts'
import type { DnsConfig } from '../config.ts'
import { DnsError } from '../dns-error.ts'
import type { LoopMemory } from '../forward/loop-guard.ts'
import type { ModelChange } from '../model.ts'

/** What a worker is started with. */
export interface WorkerStart {
  readonly config: DnsConfig
  readonly options: ZoneOptions
  readonly upstreams: readonly ListenAddress[]
  readonly listen: readonly ListenAddress[]
  readonly loops: LoopMemory
  readonly counters: SharedArrayBuffer
  readonly changes: readonly ModelChange[]
  readonly serial: number
  readonly synced: boolean
}

export type ToWorker =
  | { readonly kind: 'change', readonly change: ModelChange, readonly serial: number }
  | { readonly kind: 'synced' }
  | { readonly kind: 'stop' }

export type FromWorker =
  | { readonly kind: 'listening', readonly addresses: readonly ListenAddress[] }
  | { readonly kind: 'failed', readonly message: string }
  | { readonly kind: 'log', readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error', readonly fields: object, readonly message: string }

/** A thread that answers UDP on shared ports, as seen by the thread that tells it the zone. */
export class UdpWorker {
  readonly #worker: Worker
  readonly #listening = Promise.withResolvers<readonly ListenAddress[]>()
  readonly #exited = Promise.withResolvers<void>()

  private constructor(start: WorkerStart, logger: Logger) {
    // Beside this file, with its ending: .ts from source, .js when built.
    this.#worker = new Worker(new URL(import.meta.url.endsWith('.ts') ? './udp-thread.ts' : './udp-thread.js', import.meta.url), { workerData: start, name: 'weft-dns-udp' })
    this.#worker.on('message', (message: FromWorker) => {
      if (message.kind === 'log') logger[message.level](message.fields, message.message)
      else if (message.kind === 'listening') this.#listening.resolve(message.addresses)
      else this.#listening.reject(new DnsError('ERR_DNS_WORKER', message.message))
    })
    this.#worker.on('error', (error) => this.#listening.reject(error))
    this.#worker.on('exit', () => {
      this.#listening.reject(new DnsError('ERR_DNS_WORKER', 'Cannot answer UDP in worker "weft-dns-udp": it ended, want it to run'))
      this.#exited.resolve()
    })
    this.#listening.promise.catch(() => undefined)
  }

  /**
   * Starts a worker and waits until it listens.
   *
   * @throws {DnsError} `ERR_DNS_WORKER`.
   */
  static async start(start: WorkerStart, logger: Logger): Promise<{ readonly worker: UdpWorker, readonly addresses: readonly ListenAddress[] }> {
    const worker = new UdpWorker(start, logger)
    return { worker, addresses: await worker.#listening.promise }
  }

  /** Resolves when the thread is gone. */
  get exited(): Promise<void> {
    return this.#exited.promise
  }

  tell(message: ToWorker): void {
    this.#worker.postMessage(message)
  }

  async stop(): Promise<void> {
    this.tell({ kind: 'stop' })
    await this.#exited.promise
  }
}

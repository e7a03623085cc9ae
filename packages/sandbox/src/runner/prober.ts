import { BroadcastChannel } from 'node:worker_threads'
import { NetnsWorker } from '@weft/netlink'
import type { FromProber, ProbeOrder, ToProber } from './prober-thread.ts'

/** Makes HTTP and TCP probes from a node's network namespace. Its thread starts with the first probe. */
export class Prober implements AsyncDisposable {
  readonly #netns: string
  readonly #name: string
  readonly #worker = new NetnsWorker()
  readonly #waiting = new Map<number, (failure: string | undefined) => void>()
  #channel: BroadcastChannel | undefined
  #started: Promise<void> | undefined
  #nextId = 1

  constructor(node: string, netns: string) {
    this.#netns = netns
    this.#name = `weft-prober-${node}`
  }

  /** @returns Why it failed, undefined when it did not. */
  async attempt(order: ProbeOrder): Promise<string | undefined> {
    await (this.#started ??= this.#start())
    const id = this.#nextId++
    const { promise, resolve } = Promise.withResolvers<string | undefined>()
    this.#waiting.set(id, resolve)
    this.#channel?.postMessage({ to: 'prober', id, order } satisfies ToProber)
    return await promise
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#channel?.close()
    await this.#worker[Symbol.asyncDispose]()
  }

  #start(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const channel = new BroadcastChannel(this.#name)
    this.#channel = channel
    channel.addEventListener('message', ({ data }: { readonly data: ToProber | FromProber }) => {
      if (data.to !== 'runner') return
      if (data.id === 0) resolve()
      this.#waiting.get(data.id)?.(data.failure)
      this.#waiting.delete(data.id)
    })
    const module = new URL(import.meta.url.endsWith('.ts') ? './prober-thread.ts' : './prober-thread.js', import.meta.url)
    this.#worker.run(this.#netns, { module, name: 'serveProbes', data: { channel: this.#name } }).catch((error: unknown) => {
      reject(error)
      for (const answer of this.#waiting.values()) answer(`OTHER: ${String(error)}`)
      this.#waiting.clear()
      this.#started = undefined
      channel.close()
    })
    return promise
  }
}

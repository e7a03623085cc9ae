import { mkdirSync, watch } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { messageOf } from '../errors.ts'
import { type CniConflist, readConflist } from './cni/conflist.ts'
import type { CniNetwork } from './cni/network.ts'
import type { NodeReadiness } from './node-object.ts'

export interface NetworkWatchOptions {
  readonly network: CniNetwork
  /** Folder of the node's conflists. */
  readonly confFolder: string
  readonly onChange: (readiness: NodeReadiness) => void
}

/** While not ready a plugin is asked again soon, else now and then. */
const unreadyMs = 100
const readyMs = 10_000

/** Follows whether a node has a network: a conflist, and plugins whose STATUS says they can take pods. */
export class NetworkWatch {
  readonly #options: NetworkWatchOptions
  #conflist: CniConflist | undefined
  #waiting = Promise.withResolvers<CniConflist>()
  #collected = false
  #readiness: NodeReadiness = { ready: false, reason: 'KubeletNotReady', message: 'the node starts' }

  constructor(options: NetworkWatchOptions) {
    this.#options = options
  }

  get readiness(): NodeReadiness {
    return this.#readiness
  }

  /** Resolves with the network configuration as soon as, and whenever, pods can be attached. */
  async ready(signal: AbortSignal): Promise<CniConflist> {
    signal.throwIfAborted()
    if (this.#conflist !== undefined) return this.#conflist
    const { promise, reject } = Promise.withResolvers<never>()
    const onAbort = (): void => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      return await Promise.race([this.#waiting.promise, promise])
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  async run(signal: AbortSignal): Promise<void> {
    const { confFolder } = this.#options
    mkdirSync(confFolder, { recursive: true })
    let wake = Promise.withResolvers<void>()
    const watcher = watch(confFolder, () => wake.resolve())
    signal.addEventListener('abort', () => watcher.close(), { once: true })
    while (!signal.aborted) {
      wake = Promise.withResolvers<void>()
      await this.#look(signal)
      const pause = new AbortController()
      await Promise.race([wake.promise, sleep(this.#conflist === undefined ? unreadyMs : readyMs, undefined, { signal: AbortSignal.any([signal, pause.signal]) }).catch(() => undefined)])
      pause.abort()
    }
  }

  async #look(signal: AbortSignal): Promise<void> {
    const { network, confFolder } = this.#options
    let conflist: CniConflist | undefined
    let message = `no network configuration in ${confFolder}`
    try {
      conflist = readConflist(confFolder)
      if (conflist !== undefined) await network.status(conflist, { signal })
    } catch (error) {
      conflist = undefined
      message = messageOf(error)
    }
    if (signal.aborted) return
    this.#turn(conflist, message)
    if (conflist === undefined || this.#collected) return
    this.#collected = true
    // Once per start, as container runtimes do; a refusal costs nothing but the leftovers.
    await network.collectGarbage(conflist, { signal }).catch(() => undefined)
  }

  #turn(conflist: CniConflist | undefined, message: string): void {
    const before = this.#readiness
    this.#readiness = conflist === undefined
      ? { ready: false, reason: 'KubeletNotReady', message: `container runtime network not ready: ${message}` }
      : { ready: true, reason: 'KubeletReady', message: 'the node takes pods' }
    if (conflist === undefined && this.#conflist !== undefined) this.#waiting = Promise.withResolvers()
    this.#conflist = conflist
    if (conflist !== undefined) this.#waiting.resolve(conflist)
    if (before.ready !== this.#readiness.ready || before.message !== this.#readiness.message) this.#options.onChange(this.#readiness)
  }
}

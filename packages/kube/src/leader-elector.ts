import type { Clock, Logger } from '@weft/daemon'
import type { KubeClient } from './client.ts'
import { isAlreadyExists, isConflict, isNotFound } from './errors.ts'
import { leaseCollection, type LeaseState, readLease, writeLease } from './lease.ts'
import { collectionPath, objectPath } from './object-path.ts'
import { createObject, getObject, replaceObject } from './verbs.ts'
import { Watchdog } from './watchdog.ts'

export interface LeaderElectorOptions {
  readonly client: KubeClient
  readonly namespace: string
  readonly name: string
  /** Who we are, unique among the candidates, e.g. the pod's name. */
  readonly identity: string
  readonly clock: Clock
  readonly logger: Logger
  /** How long others wait for a silent leader. @default 15000 */
  readonly leaseDurationMs?: number | undefined
  /** How long a leader goes on without having renewed; less than the lease duration. @default 10000 */
  readonly renewDeadlineMs?: number | undefined
  /** How often leaders renew and candidates look. @default 2000 */
  readonly retryMs?: number | undefined
  /** Random numbers in [0, 1). @default Math.random */
  readonly rng?: (() => number) | undefined
}

/**
 * At most one candidate leads at a time, as long as clocks run at about the same speed; what they
 * show does not matter. A leader counts its time from before it sent its last successful renewal,
 * a candidate from when it saw the lease change, so the leader always gives up first.
 */
export class LeaderElector {
  readonly #options: LeaderElectorOptions
  readonly #path: string
  readonly #durationMs: number
  readonly #deadlineMs: number
  readonly #retryMs: number
  /** The lease as last seen, and when it last changed by our monotonic clock. */
  #seen: LeaseState | undefined
  #seenAt = 0
  #leading = false
  /** Whether the last attempt failed: told once, not at every attempt. */
  #failing = false

  constructor(options: LeaderElectorOptions) {
    this.#options = options
    this.#durationMs = options.leaseDurationMs ?? 15_000
    this.#deadlineMs = options.renewDeadlineMs ?? 10_000
    this.#retryMs = options.retryMs ?? 2_000
    if (!(this.#retryMs < this.#deadlineMs && this.#deadlineMs < this.#durationMs)) {
      throw new RangeError(`Cannot elect leader "${options.name}": retry ${this.#retryMs} ms, renew deadline ${this.#deadlineMs} ms and lease ${this.#durationMs} ms must grow in this order`)
    }
    this.#path = objectPath(leaseCollection, options)
  }

  get isLeader(): boolean {
    return this.#leading
  }

  /** Who holds the lease as far as we know; empty when nobody does. */
  get holder(): string {
    return this.#seen?.holder ?? ''
  }

  /**
   * Runs for the lease until aborted; calls `lead` each time we win. Its signal is aborted when
   * the lease is lost or we stop; the lease is given back once `lead` has returned. When `lead`
   * returns by itself, or throws, we step down and stop.
   */
  async run(lead: (signal: AbortSignal) => Promise<void>, options: { readonly signal: AbortSignal }): Promise<void> {
    const { signal } = options
    while (!signal.aborted) {
      const began = this.#options.clock.now()
      if (await this.#attempt(signal)) {
        if (await this.#reign(lead, signal, began)) return
      }
      await this.#sleep(this.#retryMs * (1 + (this.#options.rng ?? Math.random)() / 5), signal)
    }
  }

  /** @returns True when `lead` ended by its own choice. */
  async #reign(lead: (signal: AbortSignal) => Promise<void>, outer: AbortSignal, began: number): Promise<boolean> {
    const { logger, identity, name } = this.#options
    this.#leading = true
    logger.info({ lease: name, identity }, 'leading')
    const ending = new AbortController()
    // The first renewal counts from before it was sent, not from when the answer came.
    using watchdog = new Watchdog(this.#options.clock, AbortSignal.any([outer, ending.signal]), began + this.#deadlineMs - this.#options.clock.now())
    const { signal } = watchdog
    const renewing = this.#renew(watchdog, ending)
    let ended = false
    try {
      await lead(signal)
      ended = !signal.aborted
    } finally {
      const lost = signal.aborted && !outer.aborted
      ending.abort()
      await renewing
      this.#leading = false
      if (lost) logger.warn({ lease: name, identity }, 'lost the lease')
      else await this.#release()
    }
    return ended
  }

  async #renew(watchdog: Watchdog, ending: AbortController): Promise<void> {
    const { signal } = watchdog
    while (!signal.aborted) {
      await this.#sleep(this.#retryMs, signal)
      const began = this.#options.clock.now()
      if (signal.aborted) return
      if (await this.#attempt(signal)) watchdog.extend(began + this.#deadlineMs - this.#options.clock.now())
      else if (this.#seen !== undefined && this.#seen.holder !== this.#options.identity) ending.abort()
    }
  }

  /** Takes or renews the lease if it is ours to take. Never throws. */
  async #attempt(signal: AbortSignal): Promise<boolean> {
    // Neither an unanswered renewal nor an unanswered look may outlive its usefulness.
    using watchdog = new Watchdog(this.#options.clock, signal, this.#deadlineMs / 2)
    try {
      const taken = await this.#take(watchdog.signal)
      this.#failing = false
      return taken
    } catch (error) {
      // Somebody else was faster: no failure.
      if (signal.aborted || isConflict(error) || isAlreadyExists(error)) return false
      if (!this.#failing) this.#options.logger.warn({ lease: this.#options.name, err: error }, 'cannot read or write the lease, trying on')
      this.#failing = true
      return false
    }
  }

  async #take(signal: AbortSignal): Promise<boolean> {
    const { client, identity, name, namespace, clock } = this.#options
    const now = clock.wallTime()
    const mine = { holder: identity, durationMs: this.#durationMs, renewed: now }
    const write = async (state: LeaseState): Promise<true> => {
      const ours = state.holder === identity
      const spec = { ...mine, transitions: state.transitions + (ours ? 0 : 1), acquired: ours ? state.acquired : now }
      this.#see(readLease(await replaceObject(client, this.#path, writeLease(name, namespace, spec, state.resourceVersion), { signal })))
      return true
    }
    if (this.#leading && this.#seen?.holder === identity) {
      try {
        // What we wrote last is most likely still there: it need not be read for every renewal.
        return await write(this.#seen)
      } catch (error) {
        if (!isConflict(error) && !isNotFound(error)) throw error
      }
    }
    let state: LeaseState
    try {
      state = readLease(await getObject(client, this.#path, { signal }))
    } catch (error) {
      if (!isNotFound(error)) throw error
      const first = writeLease(name, namespace, { ...mine, transitions: 0, acquired: now })
      this.#see(readLease(await createObject(client, collectionPath(leaseCollection, namespace), first, { signal })))
      return true
    }
    this.#see(state)
    if (state.holder !== identity && state.holder !== '' && clock.now() - this.#seenAt < state.durationMs) return false
    return await write(state)
  }

  #see(state: LeaseState): void {
    if (this.#seen?.resourceVersion !== state.resourceVersion) this.#seenAt = this.#options.clock.now()
    this.#seen = state
  }

  /** Gives the lease back, so that the next leader need not wait. */
  async #release(): Promise<void> {
    const { client, identity, name, namespace, clock, logger } = this.#options
    const seen = this.#seen
    if (seen === undefined || seen.holder !== identity) return
    using watchdog = new Watchdog(clock, new AbortController().signal, this.#retryMs)
    try {
      const spec = { holder: '', durationMs: 1_000, transitions: seen.transitions, acquired: undefined, renewed: clock.wallTime() }
      this.#see(readLease(await replaceObject(client, this.#path, writeLease(name, namespace, spec, seen.resourceVersion), { signal: watchdog.signal })))
      logger.info({ lease: name, identity }, 'gave the lease back')
    } catch (error) {
      logger.debug({ lease: name, err: error }, 'cannot give the lease back, it will run out')
    }
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.clock.sleep(ms, { signal })
    } catch {
      // Aborted: the caller looks at its signal.
    }
  }
}

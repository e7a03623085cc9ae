import { nodeNameClaim, type User } from './tls/credentials.ts'

/** What goes wrong on purpose. Every part is absent in the beginning. */
export interface FaultPlan {
  /** Milliseconds that requests wait, by the start of their path; the longest start that fits counts. */
  readonly latencyMs?: Readonly<Record<string, number>> | undefined
  /** Requests answered 429: those whose path starts so, until `times` of them were. */
  readonly throttle?: { readonly path: string, readonly times: number, readonly retryAfterSeconds: number } | undefined
  /** Who cannot be reached, users by name or everything on a node as `node/<name>`: `reset` cuts their connections, `hang` says nothing until the plan changes. */
  readonly partition?: Readonly<Record<string, 'reset' | 'hang'>> | undefined
  /** Watches that ask for the initial state are refused, as servers before Kubernetes 1.32 do: clients list. */
  readonly refuseWatchList?: boolean | undefined
  /** How many lines of garbage to put into watches, one before each of the next events. */
  readonly garbageLines?: number | undefined
}

/** The faults in force, for tests and demonstrations. */
export class Faults {
  #plan: FaultPlan = {}
  #throttled = 0
  #garbage = 0
  readonly #listeners = new Set<() => void>()
  readonly #expire: () => void

  /** @param expire Ends all watches with 410 and forgets the changes they could resume from. */
  constructor(expire: () => void) {
    this.#expire = expire
  }

  get plan(): FaultPlan {
    return this.#plan
  }

  /** Replaces the whole plan; `{}` heals everything. */
  set(plan: FaultPlan): void {
    this.#plan = plan
    this.#throttled = 0
    this.#garbage = plan.garbageLines ?? 0
    for (const listener of this.#listeners) listener()
  }

  /** Ends every watch with 410 Gone; resuming gives 410 too, so clients list again. */
  expireWatches(): void {
    this.#expire()
  }

  /** Milliseconds this path has to wait. */
  latencyOf(path: string): number {
    let best = ''
    for (const start of Object.keys(this.#plan.latencyMs ?? {})) if (path.startsWith(start) && start.length >= best.length) best = start
    return this.#plan.latencyMs?.[best] ?? 0
  }

  /** Seconds to retry after when this request is to be answered 429. */
  takeThrottle(path: string): number | undefined {
    const { throttle } = this.#plan
    if (throttle === undefined || !path.startsWith(throttle.path) || this.#throttled >= throttle.times) return undefined
    this.#throttled++
    return throttle.retryAfterSeconds
  }

  /** Whether the next watch event gets a line of garbage before it. */
  takeGarbage(): boolean {
    if (this.#garbage === 0) return false
    this.#garbage--
    return true
  }

  partitionOf(user: User): 'reset' | 'hang' | undefined {
    const node = user.extra?.[nodeNameClaim]?.[0]
    return this.#plan.partition?.[user.name] ?? (node === undefined ? undefined : this.#plan.partition?.[`node/${node}`])
  }

  /** Calls `listener` at every change of the plan. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }
}

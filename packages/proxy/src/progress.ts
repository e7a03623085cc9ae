import type { EndpointSlice } from '@weft/api'
import type { Clock } from '@weft/daemon'
import type { ProxyHealth } from './health-answer.ts'
import type { KubeProxyMetrics } from './kube-proxy-metrics.ts'
import type { ProxyMetrics } from './metrics.ts'

/** As in kube-proxy: a change that is not in the kernel after two sync periods makes the node unhealthy, in milliseconds. */
const lateMs = 60_000

/** A sync under way. */
export interface Sync {
  readonly started: number
  /** When the oldest change came that it takes in; undefined when it takes in none. */
  readonly since: number | undefined
}

interface ProgressOptions {
  readonly clock: Clock
  readonly metrics: Pick<ProxyMetrics, 'commitSeconds' | 'lagSeconds'>
  readonly upstream: KubeProxyMetrics
}

/** How far the kernel is behind the cluster. */
export class Progress {
  readonly #clock: Clock
  readonly #metrics: ProgressOptions['metrics']
  readonly #upstream: KubeProxyMetrics
  /** When the oldest change that is not in the kernel yet came. */
  #changedAt: number | undefined
  #updatedAt: Date | undefined
  /** EndpointSlices that changed since the last commit, and when what changed them happened. */
  #slices = 0
  #triggers: number[] = []

  constructor({ clock, metrics, upstream }: ProgressOptions) {
    this.#clock = clock
    this.#metrics = metrics
    this.#upstream = upstream
  }

  /** EndpointSlices that changed and are not in the kernel yet. */
  get pendingSlices(): number {
    return this.#slices
  }

  /** Something changed, of whatever kind. */
  changed(): void {
    this.#changedAt ??= this.#clock.now()
    this.#upstream.lastQueued.set(this.#clock.wallTime().getTime() / 1000)
  }

  /** @param isOurs False for what somebody else programmed before us. */
  sliceChanged(old: EndpointSlice | undefined, now: EndpointSlice | undefined, isOurs: boolean): void {
    this.#upstream.endpointChanges.inc()
    this.#slices += 1
    if (isOurs && now?.triggeredAtMs !== undefined && now.triggeredAtMs !== old?.triggeredAtMs) this.#triggers.push(now.triggeredAtMs)
  }

  /** What comes from here on is not in what is committed. */
  begin(): Sync {
    const sync = { started: this.#clock.now(), since: this.#changedAt }
    this.#changedAt = undefined
    return sync
  }

  failed({ since }: Sync): void {
    this.#changedAt = since ?? this.#changedAt
    this.#upstream.failures.inc()
  }

  /** All that came before the sync began is in the kernel. */
  done({ started, since }: Sync, isWhole: boolean): void {
    const ended = this.#clock.now()
    const seconds = (ended - started) / 1000
    for (const histogram of [this.#metrics.commitSeconds, this.#upstream.sync, isWhole ? this.#upstream.fullSync : this.#upstream.partialSync]) histogram.observe(seconds)
    if (since !== undefined) this.#metrics.lagSeconds.observe((ended - since) / 1000)
    this.#updatedAt = this.#clock.wallTime()
    this.#upstream.lastSync.set(this.#updatedAt.getTime() / 1000)
    for (const triggeredAt of this.#triggers) this.#upstream.programming.observe(Math.max(0, this.#updatedAt.getTime() - triggeredAt) / 1000)
    this.#triggers = []
    this.#slices = 0
  }

  /** @param ready Whether the kernel has had everything once. */
  health(ready: boolean): ProxyHealth {
    return { healthy: ready && (this.#changedAt === undefined || this.#clock.now() - this.#changedAt < lateMs), updatedAt: this.#updatedAt }
  }
}

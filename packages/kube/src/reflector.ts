// Read first: KEP-3157 (watch-list), KEP-956 (bookmarks), "Efficient detection of changes" in the Kubernetes API concepts.
import { backoff, type Backoff } from '@weft/daemon'
import type { KubeClient, Query, WatchEvent } from './client.ts'
import { isGone, isKubeError, isNotFound, isUnreachable, KubeError } from './errors.ts'
import { Fold, Staging } from './fold.ts'
import { errorOfStatus } from './http-fault.ts'
import { compareResourceVersions, isRecord, resourceVersionOf, type StoredObject } from './object.ts'
import type { ReflectOptions } from './reflect.ts'
import { ReflectorReports } from './reflector-reports.ts'
import type { Resource } from './resource.ts'
import type { Store } from './store.ts'
import { listPages } from './verbs.ts'
import { Watchdog } from './watchdog.ts'

/** The server ends each watch by itself after 5 to 10 minutes, at different times for everyone. */
const watchSeconds = { min: 300, spread: 300 }
/** What a server may be late in doing so. */
const graceMs = 30_000
/** Silence in the middle of an initial set: the server does not serve watch-list after all. */
const initialSilenceMs = 15_000
/** How often a kind that is not installed is looked for. */
const missingKindMs = 60_000
/** A watch that ended orderly but sooner than this is reopened with backoff. */
const shortWatchMs = 1_000

/** How long one watch is to last. */
interface Lasting {
  readonly query: Query
  /** Longer than the server was asked to keep it open, in milliseconds. */
  readonly limitMs: number
  readonly began: number
}

/** The state machine behind `reflect`: complete set, then changes, then again what is needed. */
export class Reflector<T extends StoredObject> {
  readonly #client: KubeClient
  readonly #resource: Resource<T>
  readonly #store: Store<T>
  readonly #options: ReflectOptions
  readonly #reports: ReflectorReports<T>
  readonly #fold: Fold<T>
  readonly #unreachable: Backoff
  readonly #busy: Backoff
  /** Why a complete set is needed; undefined while following changes. */
  #relist: string | undefined = 'start'
  /** The last complete set was doubted: the next one is believed. */
  #confirming = false
  /** The connection broke, so the server may have come back with an older history. */
  #doubtHistory = false
  /** The next complete set comes in pages, though the server may be able to stream it. */
  #paged = false
  /** Wait so long before the next step. */
  #pauseMs = 0
  #streams: boolean
  /** Unreadable watches in a row without one good event between them. */
  #unreadable = 0

  constructor(client: KubeClient, resource: Resource<T>, store: Store<T>, options: ReflectOptions) {
    this.#client = client
    this.#resource = resource
    this.#streams = options.watchList ?? true
    this.#store = store
    this.#options = options
    this.#reports = new ReflectorReports(resource, store, options)
    this.#fold = new Fold(resource, store, this.#reports)
    const rng = options.rng ?? Math.random
    // Nobody is served by waiting long for a server that does not answer at all: trying costs it
    // nothing. One that answers with errors is left alone for longer.
    this.#unreachable = backoff({ baseMs: 200, maxMs: 4_000, rng })
    this.#busy = backoff({ baseMs: 500, maxMs: 30_000, rng })
  }

  async run(): Promise<void> {
    const { signal } = this.#options
    while (!signal.aborted) {
      try {
        await this.#step()
      } catch (error) {
        if (signal.aborted) break
        this.#pauseMs = this.#afterFault(error)
      }
      if (this.#pauseMs > 0) await this.#pause()
    }
    this.#reports.disconnected()
  }

  async #step(): Promise<void> {
    if (this.#relist !== undefined) await (this.#streams && !this.#paged ? this.#stream() : this.#list())
    else if (this.#doubtHistory) await this.#checkHistory()
    else await this.#follow()
  }

  /** Decides what a failure means; returns how long to wait, in milliseconds. */
  #afterFault(error: unknown): number {
    this.#reports.failed(error)
    if (isUnreachable(error)) {
      this.#doubtHistory = true
      return this.#unreachable.next()
    }
    if (!isKubeError(error)) return this.#busy.next()
    if (this.#relist === undefined) {
      // "Too large" and "invalid resource version": our position means nothing to this server.
      if (error.status === 400 || error.reason === 'ResourceVersionTooLarge') this.#relist = 'refused'
      if (this.#resource.optional === true && error.status === 404) this.#relist = 'missing'
      if (isGone(error)) this.#relist = 'gone'
    }
    if (error.code === 'ERR_KUBE_TOO_LARGE' || error.code === 'ERR_KUBE_GARBAGE') {
      // What could not be read is sent again from our position. If that does not help, pages may.
      this.#unreadable += 1
      if (this.#unreadable > 1) {
        this.#relist ??= 'unreadable'
        this.#paged = true
      }
    }
    const asked = error.retryAfterMs ?? 0
    return Math.max(this.#busy.next(), asked * (1 + this.#random() / 4))
  }

  /** Fetches a complete set page by page. */
  async #list(): Promise<void> {
    const { path, fieldSelector, labelSelector, optional } = this.#resource
    const { pageSize, signal } = this.#options
    const staging = new Staging<T>()
    let position = ''
    let missing = false
    try {
      for await (const page of listPages(this.#client, path, { fieldSelector, labelSelector, pageSize, signal })) {
        for (const item of page.items) this.#fold.stage(staging, item)
        position = page.resourceVersion
      }
    } catch (error) {
      if (optional !== true || !isNotFound(error)) throw error
      missing = true
    }
    this.#paged = false
    if (!this.#commit(staging, missing ? 'missing' : position) || !missing) return
    this.#relist = 'missing'
    this.#pauseMs = missingKindMs * (0.5 + this.#random())
  }

  /** Fetches a complete set as a stream of events, which then goes on as the watch. */
  async #stream(): Promise<void> {
    let staging: Staging<T> | undefined = new Staging<T>()
    let opened = false
    const onOpen = (): void => { opened = true }
    const lasting = this.#newLasting()
    using watchdog = new Watchdog(this.#options.clock, this.#options.signal, initialSilenceMs)
    const query = { ...lasting.query, sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' }
    try {
      for await (const event of this.#client.watch(this.#resource.path, query, { signal: watchdog.signal, onOpen })) {
        if (staging === undefined) {
          this.#take(event)
        } else if (endsInitialSet(event)) {
          if (!this.#commit(staging, resourceVersionOf(event.object))) return
          staging = undefined
          watchdog.extend(lasting.limitMs)
        } else {
          this.#stage(staging, event)
          watchdog.extend(initialSilenceMs)
        }
      }
    } catch (error) {
      if (staging === undefined || this.#options.signal.aborted) throw error
      if (this.#resource.optional === true && isNotFound(error)) this.#paged = true
      else if (refusesToStream(error, opened)) this.#streams = false
      else throw error
      return
    }
    if (staging !== undefined) throw new KubeError('ERR_KUBE_UNREACHABLE', `Cannot list "${this.#resource.path}": the initial set ended early`)
    this.#ended(lasting)
  }

  /** Follows changes from our position on. */
  async #follow(): Promise<void> {
    const lasting = this.#newLasting()
    using watchdog = new Watchdog(this.#options.clock, this.#options.signal, lasting.limitMs)
    const query = { ...lasting.query, resourceVersion: this.#fold.position }
    const onOpen = (): void => this.#reports.connected()
    for await (const event of this.#client.watch(this.#resource.path, query, { signal: watchdog.signal, onOpen })) this.#take(event)
    this.#ended(lasting)
  }

  /**
   * After an outage the server may have come back from a backup: its history is then behind ours,
   * and a watch from our position would stay silent until it has caught up.
   */
  async #checkHistory(): Promise<void> {
    const head = await this.#client.request('GET', this.#resource.path, { query: { limit: 1 }, signal: this.#options.signal })
    this.#doubtHistory = false
    if (compareResourceVersions(resourceVersionOf(head), this.#fold.position) === -1) this.#relist = 'history'
  }

  #newLasting(): Lasting {
    const seconds = Math.floor(watchSeconds.min + this.#random() * watchSeconds.spread)
    const { fieldSelector, labelSelector } = this.#resource
    return {
      query: { allowWatchBookmarks: true, timeoutSeconds: seconds, fieldSelector, labelSelector },
      limitMs: seconds * 1000 + graceMs,
      began: this.#options.clock.now(),
    }
  }

  #stage(staging: Staging<T>, event: WatchEvent): void {
    if (event.type === 'ERROR') throw errorOfStatus(event.object, `watch ${this.#resource.path}`)
    if (event.type === 'BOOKMARK') return
    if (event.type === 'DELETED') this.#fold.unstage(staging, event.object)
    else this.#fold.stage(staging, event.object)
  }

  #take(event: WatchEvent): void {
    if (event.type === 'ERROR') throw errorOfStatus(event.object, `watch ${this.#resource.path}`)
    const fresh = this.#fold.apply(event)
    this.#reports.took(fresh ? event.type : 'STALE', this.#fold.refusedCount)
    if (fresh) this.#progressed()
  }

  /** @returns False when the set was doubted and has to be confirmed. */
  #commit(staging: Staging<T>, position: string): boolean {
    // A watch from "" or "0" would tell everything once more, in no order.
    if (position === '' || position === '0') throw new KubeError('ERR_KUBE_GARBAGE', `Cannot list "${this.#resource.path}": resourceVersion is "${position}", want where to watch from`)
    const removals = this.#fold.removals(staging)
    if (!this.#confirming && isDoubtful(removals, this.#store.size, staging.objects.size)) {
      this.#confirming = true
      this.#reports.doubted(removals)
      this.#pauseMs = this.#options.confirmMs ?? 10_000
      return false
    }
    this.#confirming = false
    this.#fold.commit(staging, position)
    this.#reports.relisted(this.#relist ?? '', this.#fold.refusedCount)
    this.#relist = undefined
    this.#doubtHistory = false
    this.#progressed()
    return true
  }

  #progressed(): void {
    this.#unreadable = 0
    this.#unreachable.reset()
    this.#busy.reset()
  }

  #ended(lasting: Lasting): void {
    const lasted = this.#options.clock.now() - lasting.began
    // Sooner than asked for: the server is stopping, and who knows what comes after it.
    if (lasted < lasting.limitMs - 2 * graceMs) this.#doubtHistory = true
    if (lasted < shortWatchMs) this.#pauseMs = this.#busy.next()
    else this.#progressed()
  }

  #random(): number {
    return (this.#options.rng ?? Math.random)()
  }

  async #pause(): Promise<void> {
    const ms = this.#pauseMs
    this.#pauseMs = 0
    try {
      await this.#options.clock.sleep(ms, { signal: this.#options.signal })
    } catch {
      // Aborted: the loop ends.
    }
  }
}

function endsInitialSet(event: WatchEvent): boolean {
  if (event.type !== 'BOOKMARK' || !isRecord(event.object)) return false
  const metadata = event.object['metadata']
  const annotations = isRecord(metadata) ? metadata['annotations'] : undefined
  return isRecord(annotations) && annotations['k8s.io/initial-events-end'] === 'true'
}

/** Refused as a parameter, or (old servers) ignored: the stream is open and says nothing more. */
function refusesToStream(error: unknown, opened: boolean): boolean {
  if (!isKubeError(error)) return false
  return [400, 405, 415, 422].includes(error.status) || (opened && error.code === 'ERR_KUBE_TIMEOUT')
}

/** A restored or emptied etcd looks like this; so does a real clean-up, which then waits a moment. */
function isDoubtful(removals: number, size: number, present: number): boolean {
  return removals > 0 && (present === 0 || (removals >= 10 && removals > size / 2))
}

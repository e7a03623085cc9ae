// Read first: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes, KEP-3157 (watch-list).
import type { Clock } from '@weft/daemon'
import type { JsonObject } from '../json.ts'
import type { Selector } from '../selector.ts'
import { badRequest, expired, revisionTooLarge, type ApiError } from '../status.ts'
import { Stored } from '../stored.ts'
import type { StoreEvent } from '../store.ts'
import type { VerbContext } from './context.ts'
import { parseRevision, selectorOf, type Scope } from './list.ts'

/** Who receives a watch. Calls come in order and must not write to the store. */
export interface WatchSink {
  event(type: 'ADDED' | 'MODIFIED' | 'DELETED', item: Stored): void
  bookmark(revision: number, initialEventsEnd: boolean): void
  /** The last call: the watch ended, with an ERROR event if there is a Status. */
  end(status?: JsonObject): void
}

/** One running watch. */
export class Watch {
  readonly #sink: WatchSink
  readonly #store: VerbContext['store']
  readonly #namespace: string | undefined
  readonly #selector: Selector
  readonly #unsubscribe: () => void
  readonly #bookmarks: boolean
  #ended = false

  /**
   * Starts a watch: what the query's resourceVersion asks for first, then every change.
   *
   * @throws {ApiError} 400 for a bad query, 504 for a revision from the future. A revision that is too old comes as an ERROR event, as in Kubernetes.
   */
  constructor(context: VerbContext, scope: Scope, query: URLSearchParams, sink: WatchSink) {
    this.#sink = sink
    this.#store = context.store
    this.#namespace = scope.namespace
    this.#selector = selectorOf(scope.kind, query)
    this.#bookmarks = isTrue(query, 'allowWatchBookmarks')
    const initialEvents = query.get('sendInitialEvents')
    if (initialEvents !== null && query.get('resourceVersionMatch') !== 'NotOlderThan') {
      throw badRequest('resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan')
    }
    const text = query.get('resourceVersion') ?? ''
    const since = text === '' ? 0 : parseRevision(text)
    if (since > this.#store.revision) throw revisionTooLarge(since, this.#store.revision)
    const { storage } = scope.kind
    this.#unsubscribe = this.#store.subscribe(event => this.#pass(event), storage)
    const wantsState = initialEvents === null ? since === 0 : initialEvents === 'true' || initialEvents === '1'
    if (wantsState) this.#sendState(storage, initialEvents !== null)
    else if (since > 0) this.#resume(storage, since)
  }

  #sendState(storage: string, markEnd: boolean): void {
    for (const item of this.#store.list(storage, this.#namespace)) if (this.#selector(item.object)) this.#sink.event('ADDED', item)
    if (markEnd && this.#bookmarks) this.#sink.bookmark(this.#store.revision, true)
  }

  #resume(storage: string, since: number): void {
    const missed = this.#store.changesAfter(storage, since)
    if (missed === undefined) this.fail(expired(`too old resource version: ${since} (${this.#store.revision})`))
    else for (const event of missed) this.#pass(event)
  }

  #pass(event: StoreEvent): void {
    if (this.#ended) return
    if (this.#namespace !== undefined && !event.key.startsWith(`${this.#namespace}/`)) return
    const { now, before } = event
    const was = before !== undefined && this.#selector(before.object)
    const is = event.kind !== 'deleted' && this.#selector(now.object)
    if (is) this.#sink.event(was ? 'MODIFIED' : 'ADDED', now)
    else if (was) this.#sink.event('DELETED', event.kind === 'deleted' ? now : leaving(before, event.revision))
  }

  /** Tells the client how far it is, if it asked for that. */
  bookmark(): void {
    if (this.#bookmarks && !this.#ended) this.#sink.bookmark(this.#store.revision, false)
  }

  /** Ends the watch with an ERROR event. */
  fail(error: ApiError): void {
    this.#end(error.toStatus())
  }

  /** Ends the watch as its timeout does, with a last bookmark. */
  finish(): void {
    this.bookmark()
    this.#end()
  }

  /** Ends the watch without a word: the client is gone. */
  stop(): void {
    this.#ended = true
    this.#unsubscribe()
  }

  #end(status?: JsonObject): void {
    if (this.#ended) return
    this.stop()
    this.#sink.end(status)
  }
}

/** An object that no longer matches: its last matching state under the revision of the change. */
function leaving(before: Stored, revision: number): Stored {
  return new Stored(before.key, revision, { ...before.object, metadata: { ...before.object.metadata, resourceVersion: String(revision) } })
}

/** Whether a boolean query parameter is set. */
export function isTrue(query: URLSearchParams, name: string): boolean {
  const value = query.get(name)
  return value === 'true' || value === '1' || value === ''
}

/** Ends a watch after the query's `timeoutSeconds`. @param how.signal Aborted when the watch ended another way. */
export function endAfterTimeout(watch: Watch, query: URLSearchParams, how: { clock: Clock, signal: AbortSignal }): void {
  const seconds = Number(query.get('timeoutSeconds') ?? 0)
  if (seconds > 0) void how.clock.sleep(seconds * 1000, { signal: how.signal }).then(() => watch.finish(), () => undefined)
}

import { backoff, type Clock, type Logger } from '@weft/daemon'
import type { KubeClient } from './client.ts'
import { isAlreadyExists, isNotFound, isRetryable } from './errors.ts'
import { type EventContent, eventKey, eventNamespace, type EventSource, type EventTarget, type EventType, repeatEvent, writeEvent } from './event.ts'
import { collectionPath, objectPath } from './object-path.ts'
import { createObject, patchObject } from './verbs.ts'

export interface EventRecorderOptions {
  readonly client: KubeClient
  readonly source: EventSource
  readonly clock: Clock
  readonly logger: Logger
  /** Different Events about one object within ten minutes; more are dropped. @default 25 */
  readonly perObject?: number | undefined
  /** Events waiting to be sent; more are dropped. @default 1000 */
  readonly maxPending?: number | undefined
  /** Shortest time between two requests, in milliseconds. @default 100 */
  readonly minIntervalMs?: number | undefined
}

/** How long a repetition counts on the same Event; also the window of `perObject`. */
const windowMs = 600_000
/** Events remembered for counting; the oldest are forgotten first. */
const maxRemembered = 4_096
const eventCollection = '/api/v1/events'

interface Remembered {
  readonly content: EventContent
  /** Name of the Event, once per window. */
  readonly name: string
  readonly first: Date
  last: Date
  lastAt: number
  count: number
  /** Whether the server has it. */
  sent: boolean
}

/**
 * Records Kubernetes Events. `record` never throws, never waits and never sends more than the
 * limits allow: repetitions are counted on one Event, and while the API is away what happens is
 * added up and told once it is back.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions
  readonly #remembered = new Map<string, Remembered>()
  readonly #pending = new Set<string>()
  /** Object -> Events about it in the present window. */
  readonly #spent = new Map<string, { count: number, since: number }>()
  #wake: PromiseWithResolvers<void> = Promise.withResolvers()
  #dropped = 0

  constructor(options: EventRecorderOptions) {
    this.#options = options
  }

  /** Events dropped because of a limit or because the server refused them. */
  get dropped(): number {
    return this.#dropped
  }

  /** Events not told yet. */
  get pending(): number {
    return this.#pending.size
  }

  /**
   * @param target What it is about; `targetOf` reads it from an untrimmed object.
   * @param type `Warning` when somebody should do something.
   * @param content.reason CamelCase word, stable. @param content.message A sentence that says what to do.
   */
  record(target: EventTarget, type: EventType, content: { readonly reason: string, readonly message: string }): void {
    try {
      this.#add({ target, type, reason: content.reason, message: content.message })
    } catch (error) {
      this.#drop(error)
    }
  }

  /** Sends what is recorded until aborted. Never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const wait = backoff({ baseMs: 500, maxMs: 30_000 })
    const onAbort = (): void => this.#wake.resolve()
    signal.addEventListener('abort', onAbort, { once: true })
    while (!signal.aborted) {
      const key = this.#next()
      if (key === undefined) {
        this.#wake = Promise.withResolvers()
        if (this.#pending.size === 0) await this.#wake.promise
        continue
      }
      let pauseMs = this.#options.minIntervalMs ?? 100
      try {
        await this.#send(key, signal)
        wait.reset()
      } catch (error) {
        if (signal.aborted) break
        if (isRetryable(error)) {
          this.#pending.add(key)
          pauseMs = wait.next()
        } else {
          this.#drop(error)
        }
      }
      await this.#sleep(pauseMs, signal)
    }
    signal.removeEventListener('abort', onAbort)
  }

  #add(content: EventContent): void {
    const { clock } = this.#options
    const key = eventKey(content, this.#options.source)
    const known = this.#remembered.get(key)
    if (known !== undefined && clock.now() - known.lastAt < windowMs) {
      known.count += 1
      known.last = clock.wallTime()
      known.lastAt = clock.now()
    } else {
      if (!this.#afford(content.target) || this.#pending.size >= (this.#options.maxPending ?? 1_000)) return this.#drop(undefined)
      const now = clock.wallTime()
      // The name client-go would give it: the object's name and a time.
      const name = `${content.target.name.slice(0, 220) || 'unnamed'}.${key.slice(0, 8)}${now.getTime().toString(16)}`
      this.#remembered.delete(key)
      this.#remembered.set(key, { content, name, first: now, last: now, lastAt: clock.now(), count: 1, sent: false })
      this.#forget()
    }
    this.#pending.add(key)
    this.#wake.resolve()
  }

  #afford(target: EventTarget): boolean {
    const { clock } = this.#options
    const object = JSON.stringify([target.kind, target.namespace, target.name])
    const spent = this.#spent.get(object)
    if (spent === undefined || clock.now() - spent.since >= windowMs) {
      this.#spent.delete(object)
      this.#spent.set(object, { count: 1, since: clock.now() })
      return true
    }
    spent.count += 1
    return spent.count <= (this.#options.perObject ?? 25)
  }

  #forget(): void {
    for (const map of [this.#remembered, this.#spent]) {
      for (const key of map.keys()) {
        if (map.size <= maxRemembered) break
        map.delete(key)
      }
    }
  }

  #next(): string | undefined {
    const [key] = this.#pending
    if (key !== undefined) this.#pending.delete(key)
    return key
  }

  async #send(key: string, signal: AbortSignal): Promise<void> {
    const event = this.#remembered.get(key)
    if (event === undefined) return
    const { client, source } = this.#options
    const namespace = eventNamespace(event.content.target)
    if (event.sent) {
      try {
        await patchObject(client, objectPath(eventCollection, { namespace, name: event.name }), repeatEvent(event), { type: 'merge', signal })
        return
      } catch (error) {
        // Events live for an hour: this one is gone, tell it anew.
        if (!isNotFound(error)) throw error
      }
    }
    try {
      await createObject(client, collectionPath(eventCollection, namespace), writeEvent(event.content, source, event), { signal })
    } catch (error) {
      // The answer to the first try was lost.
      if (!isAlreadyExists(error)) throw error
    }
    event.sent = true
  }

  #drop(error: unknown): void {
    this.#dropped += 1
    this.#options.logger.debug({ err: error, dropped: this.#dropped }, 'dropped event')
  }

  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#options.clock.sleep(ms, { signal })
    } catch {
      // Aborted: the caller looks at its signal.
    }
  }
}

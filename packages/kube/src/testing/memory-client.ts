import type { KubeClient, Query, RequestOptions, WatchEvent, WatchOptions } from '../client.ts'
import { KubeError } from '../errors.ts'
import { errorOfStatus } from '../http-fault.ts'
import type { FakeApi, FakeEvent, FakeQuery } from './fake-api.ts'
import { FakeStatus } from './fake-object.ts'

interface OpenWatch {
  readonly events: (FakeEvent | Error)[]
  wake: PromiseWithResolvers<void>
  ended: boolean
}

/**
 * A client that talks to a {@link FakeApi} in memory: no socket, no timer, so that a manual clock
 * rules everything. Faults are methods.
 */
export class MemoryClient implements KubeClient {
  readonly #api: FakeApi
  readonly #watches = new Set<OpenWatch>()
  readonly #failures: KubeError[] = []
  /** Requests and watches begun, failed ones included. */
  requests = 0
  /** Answers nothing while true, and cuts what is open. */
  #partitioned = false

  constructor(api: FakeApi) {
    this.#api = api
  }

  /** The next request or watch fails so. */
  failNext(status: number, reason: string, retryAfterMs?: number): void {
    this.#failures.push(new KubeError('ERR_KUBE_STATUS', `Cannot serve: ${status} ${reason}`, { status, reason, retryAfterMs }))
  }

  /** Cuts all watches; what was sent but not read is lost when `losing`. */
  cut(losing = false): void {
    this.#inject(new KubeError('ERR_KUBE_UNREACHABLE', 'Cannot read watch: cut'), losing)
  }

  /** All watches show a line that is no event. */
  garble(): void {
    this.#inject(new KubeError('ERR_KUBE_GARBAGE', 'Cannot read watch: garbage'), false)
  }

  /** All watches tell an event (again). */
  replay(event: FakeEvent): void {
    for (const watch of this.#watches) push(watch, event)
  }

  partition(): void {
    this.#partitioned = true
    this.cut(true)
  }

  heal(): void {
    this.#partitioned = false
  }

  async request<T = unknown>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    await Promise.resolve()
    options.signal?.throwIfAborted()
    this.#begin()
    try {
      const answer = JSON.stringify(this.#api.handle(method, path, textual(options.query), roundTrip(options.body), options.contentType))
      options.onBytes?.(answer.length)
      return JSON.parse(answer)
    } catch (error) {
      throw translate(error)
    }
  }

  async *watch(path: string, query: Query = {}, options: WatchOptions = {}): AsyncGenerator<WatchEvent, void> {
    await Promise.resolve()
    options.signal?.throwIfAborted()
    this.#begin()
    const watch: OpenWatch = { events: [], wake: Promise.withResolvers(), ended: false }
    let stop: () => void
    try {
      stop = this.#api.watch(path, textual(query), {
        send: (event) => push(watch, event),
        end: () => {
          watch.ended = true
          watch.wake.resolve()
        },
      })
    } catch (error) {
      throw translate(error)
    }
    const onAbort = (): void => watch.wake.resolve()
    options.signal?.addEventListener('abort', onAbort, { once: true })
    this.#watches.add(watch)
    options.onOpen?.()
    try {
      for (;;) {
        options.signal?.throwIfAborted()
        const event = watch.events.shift()
        if (event instanceof Error) throw event
        if (event !== undefined) {
          yield JSON.parse(JSON.stringify(event))
        } else if (watch.ended) {
          return
        } else {
          watch.wake = Promise.withResolvers()
          await watch.wake.promise
        }
      }
    } finally {
      stop()
      this.#watches.delete(watch)
      options.signal?.removeEventListener('abort', onAbort)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.resolve()
    this.#api.endWatches()
  }

  #begin(): void {
    this.requests += 1
    if (this.#partitioned) throw new KubeError('ERR_KUBE_UNREACHABLE', 'Cannot connect: partitioned', { unsent: true })
    const failure = this.#failures.shift()
    if (failure !== undefined) throw failure
  }

  #inject(error: KubeError, losing: boolean): void {
    for (const watch of this.#watches) {
      if (losing) watch.events.length = 0
      watch.events.push(error)
      watch.wake.resolve()
    }
  }
}

function push(watch: OpenWatch, event: FakeEvent): void {
  watch.events.push(event)
  watch.wake.resolve()
}

function textual(query: Query = {}): FakeQuery {
  return Object.fromEntries(Object.entries(query).filter(([, value]) => value !== undefined).map(([name, value]) => [name, String(value)]))
}

function roundTrip(body: unknown): unknown {
  return body === undefined ? undefined : JSON.parse(JSON.stringify(body))
}

function translate(error: unknown): unknown {
  return error instanceof FakeStatus ? errorOfStatus(error.body, 'serve', error.status) : error
}

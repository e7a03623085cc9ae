import { KubeError, type KubeClient, type Method, type Query, type RequestOptions, type WatchEvent, type WatchOptions } from '@weft/kube'
import type { Api } from './api.ts'
import { dispatch } from './dispatch.ts'
import { discoveryAt, versionInfo } from './discovery.ts'
import { EventQueue } from './event-queue.ts'
import { asJson, cloneJson, type JsonObject } from './json.ts'
import { apiVersionOf } from './kind.ts'
import { bookmarkObject, listMetadata, viewOf } from './render.ts'
import type { Answer, ApiRequest } from './request.ts'
import { ApiError } from './status.ts'
import { endAfterTimeout } from './verbs/watch.ts'

/** Who controllers and node runners are. */
const LOCAL_USER = { name: 'system:sandbox', groups: ['system:masters'] }

/** A client that calls the server in the same process: no HTTP, no copies. What it gives is frozen. */
export class InProcessClient implements KubeClient {
  readonly #api: Api

  constructor(api: Api) {
    this.#api = api
  }

  async request<T = unknown>(method: Method, path: string, options: RequestOptions = {}): Promise<T> {
    options.signal?.throwIfAborted()
    // Bodies are cloned so that the caller keeps what it built.
    const body = options.body === undefined ? undefined : cloneJson(asJson(options.body))
    const request: ApiRequest = { method, path, query: toSearchParams(options.query), body, contentType: options.contentType ?? 'application/json', user: LOCAL_USER }
    try {
      const document = path === '/version' ? versionInfo : method === 'GET' ? discoveryAt(this.#api.context.registry, path) : undefined
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the caller says what it asked for, as over HTTP
      return (document ?? bodyOfAnswer(dispatch(this.#api.context, request))) as T
    } catch (error) {
      throw toKubeError(error, method, path)
    }
  }

  async *watch(path: string, query: Query = {}, options: WatchOptions = {}): AsyncGenerator<WatchEvent> {
    const request: ApiRequest = { method: 'GET', path, query: toSearchParams({ ...query, watch: true }), user: LOCAL_USER }
    const queue = new EventQueue<WatchEvent>()
    let answer: Answer
    try {
      answer = dispatch(this.#api.context, request)
      if (answer.kind !== 'watch') return
    } catch (error) {
      throw toKubeError(error, 'GET', path)
    }
    const { of } = answer
    const watch = answer.start({
      event: (type, item) => queue.push({ type, object: viewOf(of, item) }),
      bookmark: (revision, end) => queue.push({ type: 'BOOKMARK', object: bookmarkObject(of, revision, end) }),
      end: status => {
        if (status !== undefined) queue.push({ type: 'ERROR', object: status })
        queue.end()
      },
    })
    this.#api.watches.add(watch)
    const ended = new AbortController()
    endAfterTimeout(watch, request.query, { clock: this.#api.clock, signal: ended.signal })
    const abort = (): void => queue.end()
    options.signal?.addEventListener('abort', abort)
    try {
      yield* queue
      options.signal?.throwIfAborted()
    } finally {
      options.signal?.removeEventListener('abort', abort)
      watch.stop()
      ended.abort()
      this.#api.watches.remove(watch)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

function toSearchParams(query: Query | undefined): URLSearchParams {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {})) if (value !== undefined) params.set(name, String(value))
  return params
}

function bodyOfAnswer(answer: Answer): JsonObject {
  switch (answer.kind) {
    case 'object': return viewOf(answer.of, answer.item)
    case 'status': return answer.body
    case 'list': {
      const { list } = answer
      return { kind: `${list.kind.kind}List`, apiVersion: apiVersionOf(list.kind), metadata: listMetadata(list), items: list.items.map(item => viewOf(list.kind, item)) }
    }
    case 'watch': throw new ApiError(400, 'BadRequest', 'a watch is not a request: use watch()')
    default: return answer satisfies never
  }
}

function toKubeError(error: unknown, method: string, path: string): unknown {
  if (!(error instanceof ApiError)) return error
  const message = `Cannot ${method} "${path}": ${error.message}`
  return new KubeError('ERR_KUBE_STATUS', message, { status: error.code, reason: error.reason, cause: error })
}

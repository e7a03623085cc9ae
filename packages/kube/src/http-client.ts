import type { Clock } from '@weft/daemon'
import type { Dispatcher, WebSocket } from 'undici'
import type { KubeConnection, Method, Query, RequestOptions, SocketOptions, WatchEvent, WatchOptions } from './client.ts'
import { anonymous, type Authorizer, FileToken, staticToken } from './credentials.ts'
import { KubeError } from './errors.ts'
import { faultOf, statusError, unanswered } from './http-fault.ts'
import { readBody, readLines } from './lines.ts'
import { isRecord } from './object.ts'
import { originsOf } from './origin.ts'
import type { Server, Servers } from './servers.ts'
import type { TlsOptions } from './tls.ts'

export interface KubeClientOptions extends TlsOptions {
  /** One address or several of the same cluster, e.g. `https://172.30.1.250:6443`; tried in order, no path. */
  readonly server: string | readonly string[]
  /** Addresses learned in an earlier life, tried after `server` (see {@link KubeConnection.learn}). */
  readonly learned?: readonly string[] | undefined
  /** Bearer token. At most one of `token`, `tokenFile` and `authorizer`. */
  readonly token?: string | undefined
  /** File with a bearer token; read again every minute and after a 401. */
  readonly tokenFile?: string | undefined
  /** Other ways to say who we are. */
  readonly authorizer?: Authorizer | undefined
  /** @default 30000 */
  readonly timeoutMs?: number | undefined
  /** @default 5000 */
  readonly connectTimeoutMs?: number | undefined
  /** Longest answer. @default 64 MiB, forty times etcd's largest object */
  readonly maxBodyBytes?: number | undefined
  /** Longest line of a watch. @default 8 MiB */
  readonly maxLineBytes?: number | undefined
  /** @default 'weft' */
  readonly userAgent?: string | undefined
  /** @default the process's monotonic clock */
  readonly clock?: Pick<Clock, 'now'> | undefined
}

/**
 * Connects to a Kubernetes API server. Nothing is sent until the first request.
 *
 * Redirects are errors: credentials go to the addresses given and nowhere else. A request that
 * reached no server is tried on each other address before it fails; a write that may have been
 * received is never sent twice.
 *
 * @throws {KubeError} `ERR_KUBE_CONFIG` for addresses that are no origins.
 */
export function createKubeClient(options: KubeClientOptions): KubeConnection {
  return new HttpClient(options)
}

const eventTypes: ReadonlySet<unknown> = new Set(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK', 'ERROR'])

interface Attempt {
  readonly method: Method
  readonly path: string
  readonly query?: Query | undefined
  readonly body?: string | undefined
  readonly contentType?: string | undefined
  readonly signal?: AbortSignal | undefined
  readonly bodyTimeout?: number | undefined
}

class HttpClient implements KubeConnection {
  readonly #options: KubeClientOptions
  readonly #given: readonly string[]
  #origins: readonly string[]
  readonly #authorizer: Authorizer
  readonly #timeoutMs: number
  readonly #maxBodyBytes: number
  readonly #maxLineBytes: number
  readonly #userAgent: string
  #servers: Promise<Servers> | undefined
  #closed = false

  constructor(options: KubeClientOptions) {
    this.#options = options
    this.#given = originsOf(typeof options.server === 'string' ? [options.server] : options.server)
    if (this.#given.length === 0) throw new KubeError('ERR_KUBE_CONFIG', 'Cannot create client "": no server address, want at least one')
    this.#origins = [...new Set([...this.#given, ...originsOf(options.learned ?? [])])]
    this.#timeoutMs = options.timeoutMs ?? 30_000
    this.#maxBodyBytes = options.maxBodyBytes ?? 64 * 1024 * 1024
    this.#maxLineBytes = options.maxLineBytes ?? 8 * 1024 * 1024
    this.#userAgent = options.userAgent ?? 'weft'
    this.#authorizer = authorizerOf(options)
  }

  async request<T = unknown>(method: Method, path: string, options: RequestOptions = {}): Promise<T> {
    return await this.#exchange(method, path, options, (bytes) => JSON.parse(bytes.toString('utf8')) as T)
  }

  async text(path: string, options: RequestOptions = {}): Promise<string> {
    return await this.#exchange('GET', path, options, (bytes) => bytes.toString('utf8'))
  }

  async socket(path: string, { query, protocols }: SocketOptions): Promise<WebSocket> {
    const { WebSocket, Agent } = await import('undici')
    const servers = await (this.#servers ??= this.#open())
    const { origin } = servers.current
    const authorization = await this.#authorizer.authorization(false)
    return new WebSocket(`${origin.replace(/^http/, 'ws')}${path}${query === undefined ? '' : `?${query.toString()}`}`, {
      protocols: [...protocols],
      dispatcher: new Agent({ connect: servers.connector, allowH2: false }),
      headers: { 'user-agent': this.#userAgent, ...(authorization === undefined ? {} : { authorization }) },
    })
  }

  learn(addresses: readonly string[]): void {
    this.#origins = [...new Set([...this.#given, ...originsOf(addresses)])]
    void this.#servers?.then((servers) => servers.replace(this.#origins), () => undefined)
  }

  async #exchange<T>(method: Method, path: string, options: RequestOptions, decode: (bytes: Buffer) => T): Promise<T> {
    const timeout = AbortSignal.timeout(options.timeoutMs ?? this.#timeoutMs)
    const signal = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout])
    const what = `${method} ${path}`
    try {
      const answer = await this.#send({
        method,
        path,
        query: options.query,
        body: options.body === undefined ? undefined : JSON.stringify(options.body),
        contentType: options.contentType,
        signal,
      })
      const bytes = await readBody(answer.body, this.#maxBodyBytes)
      options.onBytes?.(bytes.length)
      return decode(bytes)
    } catch (error) {
      options.signal?.throwIfAborted()
      throw faultOf(error, what, timeout.aborted)
    }
  }

  async *watch(path: string, query: Query = {}, options: WatchOptions = {}): AsyncGenerator<WatchEvent, void> {
    const what = `WATCH ${path}`
    try {
      // The server ends the answer by itself (timeoutSeconds); a dead connection shows by keep-alive.
      const answer = await this.#send({ method: 'GET', path, query: { ...query, watch: true }, signal: options.signal, bodyTimeout: 0 })
      options.onOpen?.()
      for await (const line of readLines(answer.body, this.#maxLineBytes)) yield decodeEvent(line, what)
    } catch (error) {
      options.signal?.throwIfAborted()
      throw faultOf(error, what, false)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await (await this.#servers)?.[Symbol.asyncDispose]()
  }

  /** undici's pool costs 15 MB to load: who only uses stores, or never connects, does not pay. */
  async #open(): Promise<Servers> {
    if (this.#closed) throw new KubeError('ERR_KUBE_CONFIG', `Cannot use client "${this.#origins.join(', ')}": it is closed`)
    const { Servers } = await import('./servers.ts')
    return new Servers(this.#origins, { ...this.#options, timeoutMs: this.#timeoutMs, connectTimeoutMs: this.#options.connectTimeoutMs ?? 5_000 })
  }

  /** Sends to the server in use, then to each other one, as long as repeating is safe. */
  async #send(attempt: Attempt): Promise<Dispatcher.ResponseData> {
    const what = `${attempt.method} ${attempt.path}`
    const servers = await (this.#servers ??= this.#open())
    const tried = new Map<string, KubeError>()
    for (let tries = 1, fresh = false; ; tries += 1) {
      attempt.signal?.throwIfAborted()
      const server = servers.current
      try {
        const answer = await this.#sendTo(server, attempt, fresh)
        if (answer.statusCode < 300) return answer
        const error = await statusError(answer, what)
        // 502-504: this server cannot reach what is behind it; the next request goes to another.
        if (answer.statusCode >= 502 && answer.statusCode <= 504) servers.skip(server)
        if (answer.statusCode !== 401 || fresh) throw error
        fresh = true
      } catch (error) {
        if (attempt.signal?.aborted === true) {
          if (isTimeout(attempt.signal.reason)) servers.skip(server)
          throw error
        }
        const fault = faultOf(error, what, false)
        if (fault.code !== 'ERR_KUBE_UNREACHABLE') throw fault
        servers.skip(server)
        tried.set(server.origin, fault)
        // Even with one server a read gets a second try: a kept connection may have been closed under it.
        const allowed = Math.max(servers.count, fault.unsent ? 1 : 2)
        if (tries >= allowed || !(fault.unsent || attempt.method === 'GET')) throw unanswered(what, tried, fault)
      }
    }
  }

  async #sendTo(server: Server, attempt: Attempt, fresh: boolean): Promise<Dispatcher.ResponseData> {
    const authorization = await this.#authorizer.authorization(fresh)
    return await server.request({
      method: attempt.method,
      path: attempt.path + formatQuery(attempt.query),
      headers: {
        'accept': 'application/json',
        'user-agent': this.#userAgent,
        ...(attempt.body === undefined ? {} : { 'content-type': attempt.contentType ?? 'application/json' }),
        ...(authorization === undefined ? {} : { authorization }),
      },
      ...(attempt.body === undefined ? {} : { body: attempt.body }),
      ...(attempt.signal === undefined ? {} : { signal: attempt.signal }),
      ...(attempt.bodyTimeout === undefined ? {} : { bodyTimeout: attempt.bodyTimeout }),
    })
  }
}

function authorizerOf(options: KubeClientOptions): Authorizer {
  if (options.authorizer !== undefined) return options.authorizer
  if (options.token !== undefined) return staticToken(options.token)
  if (options.tokenFile !== undefined) return new FileToken(options.tokenFile, options.clock ?? performance)
  return anonymous
}

function isTimeout(reason: unknown): boolean {
  return reason instanceof DOMException && reason.name === 'TimeoutError'
}

function formatQuery(query: Query | undefined): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined) parameters.set(name, String(value))
  }
  return parameters.size === 0 ? '' : `?${parameters.toString()}`
}

function decodeEvent(line: string, what: string): WatchEvent {
  const event: unknown = JSON.parse(line)
  if (!isEvent(event)) throw new KubeError('ERR_KUBE_GARBAGE', `Cannot ${what}: an event has no known type and object`)
  return event
}

function isEvent(value: unknown): value is WatchEvent {
  return isRecord(value) && eventTypes.has(value['type']) && isRecord(value['object'])
}

import type { WebSocket } from 'undici'

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** Query parameters; an undefined one is left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>

export interface RequestOptions {
  readonly query?: Query | undefined
  /** Sent as JSON. */
  readonly body?: unknown
  /** @default 'application/json' */
  readonly contentType?: string | undefined
  readonly signal?: AbortSignal | undefined
  /** Longest wait for the whole answer, in milliseconds. @default the client's `timeoutMs` */
  readonly timeoutMs?: number | undefined
  /** Told the size of the answer's body. */
  readonly onBytes?: ((bytes: number) => void) | undefined
}

export interface WatchOptions {
  readonly signal?: AbortSignal | undefined
  /** Called when the server has begun to answer; its first event may be minutes away. */
  readonly onOpen?: (() => void) | undefined
}

/** One line of a watch. `ERROR` carries a Status object. */
export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  readonly object: unknown
}

/** A connection to the Kubernetes API: the two things everything else here is made of. */
export interface KubeClient extends AsyncDisposable {
  /**
   * One request and its decoded answer.
   *
   * @param path Absolute, without query, segments already encoded; see `objectPath`.
   * @throws {KubeError} For every failure but an abort, which throws the signal's reason.
   */
  request<T = unknown>(method: Method, path: string, options?: RequestOptions): Promise<T>
  /**
   * Follows changes until the server ends the answer (the iteration ends) or something breaks (it throws).
   *
   * @param query Without `watch`, which is added.
   * @throws {KubeError} `ERR_KUBE_GARBAGE` at a line that is no event, `ERR_KUBE_TOO_LARGE` at a line over
   *   the limit, `ERR_KUBE_UNREACHABLE` when cut. What was yielded before is good.
   */
  watch(path: string, query?: Query, options?: WatchOptions): AsyncIterable<WatchEvent>
}

/** How a WebSocket is opened. */
export interface SocketOptions {
  readonly query?: URLSearchParams | undefined
  /** The subprotocols to offer, best first. */
  readonly protocols: readonly string[]
}

/** A client with a connection of its own, which can do more than requests and watches. */
export interface KubeConnection extends KubeClient {
  /** The body of an answer as it came: logs are no JSON. */
  text(path: string, options?: Pick<RequestOptions, 'query' | 'signal' | 'timeoutMs'>): Promise<string>
  /** Opens a WebSocket, e.g. of `pods/exec`. It may still be connecting. */
  socket(path: string, options: SocketOptions): Promise<WebSocket>
  /**
   * Tells other addresses of the same cluster, which are tried after the ones given at the start; they replace those told before.
   *
   * @throws {KubeError} `ERR_KUBE_CONFIG` for addresses that are no origins.
   */
  learn(addresses: readonly string[]): void
}

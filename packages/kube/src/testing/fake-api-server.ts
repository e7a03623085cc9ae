import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { realClock } from '@weft/daemon'
import { FakeApi, type FakeEvent } from './fake-api.ts'
import { FakeStatus } from './fake-object.ts'

/** One prepared answer, instead of the real one. */
export interface FakeFault {
  /** Only for requests whose method and path (with query) match. @default every request */
  readonly match?: RegExp | undefined
  /** How many requests it hits. @default 1 */
  readonly times?: number | undefined
  /** Answers with this status… */
  readonly status?: number | undefined
  readonly reason?: string | undefined
  readonly retryAfterSeconds?: number | undefined
  /** …or with these headers and bytes… */
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly raw?: string | undefined
  /** …or closes the connection without an answer… */
  readonly drop?: boolean | undefined
  /** …or never answers. */
  readonly hang?: boolean | undefined
}

/**
 * An API server on 127.0.0.1 for tests of whatever talks HTTP to Kubernetes; its state is `api`.
 *
 * @example
 * await using server = await FakeApiServer.start()
 * server.api.put('/api/v1/pods', pod)
 * await using client = createKubeClient({ server: server.url })
 */
export class FakeApiServer implements AsyncDisposable {
  readonly api: FakeApi = new FakeApi()
  /** What arrived, e.g. `GET /api/v1/pods?limit=500`. */
  readonly requests: string[] = []
  /** Headers of what arrived. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>[] = []
  /** Every answer is so much later. */
  latencyMs = 0
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #streams = new Set<ServerResponse>()
  readonly #faults: { fault: FakeFault, left: number }[] = []
  #port = 0

  private constructor() {
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy())
    })
    this.#server.on('connection', (socket) => {
      this.#sockets.add(socket)
      socket.on('close', () => this.#sockets.delete(socket))
    })
  }

  static async start(): Promise<FakeApiServer> {
    const server = new FakeApiServer()
    await server.#listen()
    return server
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** Prepares a fault; several are used in order. */
  fault(fault: FakeFault): void {
    this.#faults.push({ fault, left: fault.times ?? 1 })
  }

  /** Writes bytes into every open watch as they are. */
  inject(text: string): void {
    for (const stream of this.#streams) stream.write(text)
  }

  /** Cuts every connection, watches in the middle of whatever they send. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  /** Refuses connections until healed. */
  async partition(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.cut()
    await closed
  }

  /** Serves again, on the same address. */
  async heal(): Promise<void> {
    await this.#listen()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.partition()
  }

  async #listen(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1')
    await once(this.#server, 'listening')
    this.#port = addressOf(this.#server).port
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = request.method ?? 'GET'
    const url = new URL(request.url ?? '/', this.url)
    this.requests.push(`${method} ${url.pathname}${url.search}`)
    this.headers.push(request.headers)
    if (this.latencyMs > 0) await realClock.sleep(this.latencyMs)
    const fault = this.#faultOf(`${method} ${url.pathname}${url.search}`)
    if (fault !== undefined) return answerFault(response, fault)
    const query = Object.fromEntries(url.searchParams)
    try {
      if (method === 'GET' && query['watch'] === 'true') return this.#watch(url.pathname, query, response)
      const body = await readJson(request)
      answer(response, method === 'POST' ? 201 : 200, this.api.handle(method, url.pathname, query, body, request.headers['content-type']))
    } catch (error) {
      if (!(error instanceof FakeStatus)) throw error
      answer(response, error.status, error.body)
    }
  }

  #watch(path: string, query: Readonly<Record<string, string>>, response: ServerResponse): void {
    const initial: FakeEvent[] = []
    let open = false
    const send = (event: FakeEvent): void => {
      if (open) response.write(`${JSON.stringify(event)}\n`)
      else initial.push(event)
    }
    // Throws before anything is written when the watch is refused.
    const stop = this.api.watch(path, query, { send, end: () => response.end() })
    open = true
    response.writeHead(200, { 'content-type': 'application/json' })
    response.flushHeaders()
    for (const event of initial) send(event)
    this.#streams.add(response)
    response.on('close', () => {
      stop()
      this.#streams.delete(response)
    })
  }

  #faultOf(request: string): FakeFault | undefined {
    const index = this.#faults.findIndex(({ fault }) => fault.match?.test(request) ?? true)
    const entry = this.#faults[index]
    if (entry === undefined) return undefined
    entry.left -= 1
    if (entry.left <= 0) this.#faults.splice(index, 1)
    return entry.fault
  }
}

function answerFault(response: ServerResponse, fault: FakeFault): void {
  if (fault.hang === true) return
  if (fault.drop === true) {
    response.destroy()
  } else if (fault.raw !== undefined) {
    response.writeHead(fault.status ?? 200, { 'content-type': 'application/json', ...fault.headers })
    response.end(fault.raw)
  } else {
    const status = new FakeStatus(fault.status ?? 500, fault.reason ?? 'InternalError', 'made to fail')
    answer(response, status.status, status.body, { ...fault.headers, ...(fault.retryAfterSeconds === undefined ? {} : { 'retry-after': String(fault.retryAfterSeconds) }) })
  }
}

function answer(response: ServerResponse, status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Uint8Array[] = []
  for await (const chunk of request) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString('utf8')
  return text === '' ? undefined : JSON.parse(text)
}

function addressOf(server: Server): AddressInfo {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('Cannot use fake API server "127.0.0.1": it does not listen')
  return address
}

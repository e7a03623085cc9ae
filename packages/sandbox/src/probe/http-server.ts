// Read first: RFC 9112. `node:http` takes 40 ms to load, half of a probe's start; this server needs 5.
import { createServer, type Server, type Socket } from 'node:net'

export interface HttpRequest {
  readonly method: string
  readonly url: URL
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly socket: Socket
  /** Content as it arrives; reading it is optional. */
  readonly body: AsyncIterable<Buffer>
}

export interface HttpReply {
  /** @default 200 */
  readonly status?: number | undefined
  readonly body: string | Uint8Array
  /** @default 'text/plain; charset=utf-8' */
  readonly contentType?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Called when the reply is written, e.g. to exit. */
  readonly afterwards?: (() => void) | undefined
}

export type HttpHandler = (request: HttpRequest) => HttpReply | Promise<HttpReply>

const mostHeadBytes = 65_536

/** An HTTP/1.1 server with keep-alive; one request at a time per connection. */
export function createHttpServer(handle: HttpHandler): Server {
  const server = createServer({ noDelay: true }, (socket) => {
    // A peer that goes away is not our concern.
    socket.on('error', () => socket.destroy())
    void serve(socket, handle).catch(() => socket.destroy())
  })
  return server
}

async function serve(socket: Socket, handle: HttpHandler): Promise<void> {
  const input = new ByteSource(socket)
  for (;;) {
    const head = await input.readHead()
    if (head === undefined) break
    const [requestLine = '', ...lines] = head.split('\r\n')
    const [method, target, version] = requestLine.split(' ')
    if (method === undefined || target === undefined || !version?.startsWith('HTTP/1.')) {
      socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
      return
    }
    const headers = new Map(lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]))
    const url = URL.parse(target.startsWith('/') ? `http://probe${target}` : target) ?? new URL('http://probe/')
    if (headers.get('expect')?.toLowerCase() === '100-continue') socket.write('HTTP/1.1 100 Continue\r\n\r\n')
    const body = input.body(headers)
    const reply = await handle({ method, url, headers, socket, body })
    // What the handler did not read must not be taken for the next request.
    for await (const chunk of body) void chunk
    const keep = version === 'HTTP/1.1' ? headers.get('connection')?.toLowerCase() !== 'close' : headers.get('connection')?.toLowerCase() === 'keep-alive'
    await write(socket, method === 'HEAD', reply, keep)
    reply.afterwards?.()
    if (!keep) break
  }
  socket.end()
}

function write(socket: Socket, headOnly: boolean, reply: HttpReply, keep: boolean): Promise<void> {
  const status = reply.status ?? 200
  const body = typeof reply.body === 'string' ? Buffer.from(reply.body) : reply.body
  const head = [
    `HTTP/1.1 ${status} ${status < 400 ? 'OK' : 'Error'}`,
    `Content-Type: ${reply.contentType ?? 'text/plain; charset=utf-8'}`,
    `Content-Length: ${body.byteLength}`,
    ...Object.entries(reply.headers ?? {}).map(([name, value]) => `${name}: ${value}`),
    `Connection: ${keep ? 'keep-alive' : 'close'}`,
  ].join('\r\n')
  const { promise, resolve } = Promise.withResolvers<void>()
  socket.write(Buffer.concat([Buffer.from(`${head}\r\n\r\n`, 'latin1'), headOnly ? Buffer.alloc(0) : body]), () => resolve())
  return promise
}

/** Reads a socket piece by piece. */
class ByteSource {
  readonly #chunks: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor(socket: Socket) {
    this.#chunks = (socket as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
  }

  /** Start line and header lines without the final empty line; undefined at the end of the connection. */
  async readHead(): Promise<string | undefined> {
    for (;;) {
      const end = this.#rest.indexOf('\r\n\r\n')
      if (end >= 0) return this.#take(end + 4).toString('latin1').slice(0, -4)
      if (this.#rest.byteLength > mostHeadBytes || !(await this.#more())) return undefined
    }
  }

  async* body(headers: ReadonlyMap<string, string>): AsyncIterable<Buffer> {
    if (headers.get('transfer-encoding')?.toLowerCase() === 'chunked') {
      for (;;) {
        const size = Number.parseInt(await this.#line(), 16)
        if (!(size > 0)) break
        yield* this.#exactly(size)
        await this.#line()
      }
      await this.#line()
    } else {
      yield* this.#exactly(Number(headers.get('content-length') ?? 0))
    }
  }

  async* #exactly(bytes: number): AsyncIterable<Buffer> {
    for (let left = bytes; left > 0;) {
      if (this.#rest.byteLength === 0 && !(await this.#more())) return
      const piece = this.#take(Math.min(left, this.#rest.byteLength))
      left -= piece.byteLength
      yield piece
    }
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf('\r\n')
      if (end >= 0) return this.#take(end + 2).toString('latin1').slice(0, -2)
      if (!(await this.#more())) return ''
    }
  }

  #take(bytes: number): Buffer {
    const piece = this.#rest.subarray(0, bytes)
    this.#rest = this.#rest.subarray(bytes)
    return piece
  }

  async #more(): Promise<boolean> {
    const next = await this.#chunks.next()
    if (next.done === true) return false
    this.#rest = this.#rest.byteLength === 0 ? next.value : Buffer.concat([this.#rest, next.value])
    return true
  }
}

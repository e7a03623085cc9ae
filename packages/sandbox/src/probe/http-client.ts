import { createConnection, type Socket } from 'node:net'
import { ProbeFailure, resolveHost, toFailure } from './failure.ts'

export interface HttpCall {
  readonly host: string
  readonly port: number
  readonly path: string
  /** @default 'GET' */
  readonly method?: 'GET' | 'POST' | undefined
  /** Bytes to send; produced piece by piece. */
  readonly body?: { readonly bytes: number, readonly pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array> } | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly signal: AbortSignal
}

export interface HttpAnswer {
  readonly status: number
  readonly body: Buffer
  readonly local: string
  readonly peer: string
}

/** One request on a connection of its own. HTTP/1.0, so that the end of the connection is the end of the answer. */
export async function callHttp(call: HttpCall): Promise<HttpAnswer> {
  const { host, port, path, method = 'GET', body, headers = {} } = call
  const socket = await connectTcp({ host, port, signal: call.signal })
  try {
    const local = formatEndpoint(socket.localAddress, socket.localPort)
    const peer = formatEndpoint(socket.remoteAddress, socket.remotePort)
    const head = { Host: `${host.includes(':') ? `[${host}]` : host}:${port}`, ...(body === undefined ? {} : { 'Content-Length': String(body.bytes) }), ...headers }
    socket.write(`${method} ${path} HTTP/1.0\r\n${Object.entries(head).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`)
    const written = send(socket, body?.pieces ?? [])
    // A refused upload shows in the answer, or in the reading below.
    written.catch(() => undefined)
    const chunks: Buffer[] = []
    for await (const chunk of socket as AsyncIterable<Buffer>) chunks.push(chunk)
    const raw = Buffer.concat(chunks)
    const end = raw.indexOf('\r\n\r\n')
    const status = Number(/^HTTP\/1\.\d (\d{3})/.exec(raw.toString('latin1', 0, Math.max(end, 0)))?.[1])
    if (end < 0 || Number.isNaN(status)) throw new ProbeFailure('OTHER', `no HTTP answer in ${raw.byteLength} bytes`)
    return { status, body: raw.subarray(end + 4), local, peer }
  } finally {
    socket.destroy()
  }
}

/** A TCP connection, with its failure in agnhost's words. */
export async function connectTcp({ host, port, signal }: { readonly host: string, readonly port: number, readonly signal: AbortSignal }): Promise<Socket> {
  const { address, family } = await resolveHost(host, signal)
  signal.throwIfAborted()
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const socket = createConnection({ host: address, port, family, noDelay: true })
  const onAbort = (): void => void socket.destroy(toFailure(signal.reason))
  signal.addEventListener('abort', onAbort, { once: true })
  socket.once('close', () => signal.removeEventListener('abort', onAbort))
  socket.on('error', reject)
  socket.once('connect', () => resolve(socket))
  return await promise
}

/** `10.0.0.1:80`, `[fd00::1]:80`; IPv4 in IPv6 as IPv4. */
export function formatEndpoint(address: string | undefined, port: number | undefined): string {
  const bare = (address ?? '').replace(/^::ffff:(?=\d+\.)/, '')
  return bare.includes(':') ? `[${bare}]:${port}` : `${bare}:${port}`
}

async function send(socket: Socket, pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>): Promise<void> {
  for await (const piece of pieces) {
    if (socket.destroyed) return
    if (socket.write(piece)) continue
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    socket.once('drain', resolve).once('close', reject)
    await promise
  }
}

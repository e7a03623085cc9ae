// Read first: RFC 7766 (DNS over TCP: pipelining, idle connections, order of responses).
import { createServer, isIPv6, type Server, type Socket } from 'node:net'
import type { ListenAddress } from '@weft/api'
import type { Clock, Logger } from '@weft/daemon'
import type { TcpConfig } from '../config.ts'
import { DnsError } from '../dns-error.ts'
import { maxMessageBytes } from '../wire/message.ts'
import type { Arrival } from './query-handler.ts'
import type { TcpConnections } from './tcp-connections.ts'

export interface TcpServerOptions {
  readonly listen: ListenAddress
  readonly config: TcpConfig
  readonly connections: TcpConnections
  readonly handle: (arrival: Arrival, out: Buffer) => number
  readonly clock: Clock
  readonly logger: Logger
}

export interface TcpServer extends AsyncDisposable {
  readonly address: ListenAddress
}

/**
 * Answers DNS over TCP on one address: any number of questions a connection, answered as they are ready.
 *
 * @throws {DnsError} `ERR_DNS_LISTEN`.
 */
export async function serveTcp(options: TcpServerOptions): Promise<TcpServer> {
  const { listen, logger } = options
  const server = createServer({ noDelay: true }, (socket) => accept(socket, options))
  await bind(server, listen)
  server.on('error', (error) => logger.warn({ err: error, address: listen.address }, 'tcp socket error'))
  const address = server.address()
  return {
    address: { address: listen.address, port: typeof address === 'object' && address !== null ? address.port : listen.port },
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

const out = Buffer.allocUnsafeSlow(2 + maxMessageBytes)
const body = out.subarray(2)

function accept(socket: Socket, { clock, config, connections, handle, logger }: TcpServerOptions): void {
  const address = socket.remoteAddress
  if (address === undefined || !connections.open(socket, address)) return
  let buffered: Buffer = Buffer.alloc(0)
  let waiting = 0
  const send = (response: Uint8Array): void => {
    if (socket.destroyed) return
    const framed = Buffer.allocUnsafe(2 + response.length)
    framed.writeUInt16BE(response.length, 0)
    framed.set(response, 2)
    socket.write(framed)
  }
  const later = (response: Uint8Array): void => {
    waiting -= 1
    send(response)
    advance()
  }
  const advance = (): void => {
    // A client that does not read its answers, or asks faster than upstreams answer, is not read from either.
    while (!socket.destroyed && socket.writableLength < config.maxPendingBytes && waiting < maxWaiting) {
      if (buffered.length < 2) break
      const length = buffered.readUInt16BE(0)
      if (buffered.length < 2 + length) break
      const bytes = buffered.subarray(2, 2 + length)
      buffered = buffered.subarray(2 + length)
      connections.touch(socket, clock.now())
      waiting += 1
      const size = handle({ bytes, address, transport: 'tcp', later }, body)
      if (size > 0) {
        waiting -= 1
        send(body.subarray(0, size))
      } else if (isSilent(bytes)) {
        // Neither answered nor to be: a response or less than a header. Nothing sensible follows on this connection.
        socket.destroy()
      }
    }
    connections.partial(socket, buffered.length > 0 && waiting === 0 ? clock.now() : undefined)
    if (buffered.length > 2 * maxMessageBytes) socket.pause()
    else if (socket.isPaused()) socket.resume()
  }
  socket.on('data', (chunk: Buffer) => {
    buffered = buffered.length === 0 ? chunk : Buffer.concat([buffered, chunk])
    advance()
  })
  socket.on('drain', advance)
  socket.on('error', (error) => logger.debug({ err: error, client: address }, 'tcp connection failed'))
  socket.on('close', () => connections.close(socket, address))
}

/** Questions of one connection that wait for upstreams at a time. */
const maxWaiting = 100

function isSilent(bytes: Uint8Array): boolean {
  return bytes.length < 12 || (bytes[2]! & 0x80) !== 0
}

async function bind(server: Server, listen: ListenAddress): Promise<void> {
  const { promise, reject, resolve } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen({ host: listen.address, port: listen.port, ipv6Only: isIPv6(listen.address), exclusive: true }, resolve)
  try {
    await promise
  } catch (error) {
    throw new DnsError('ERR_DNS_LISTEN', `Cannot listen on "${listen.address}" port ${listen.port}: tcp says ${(error as Error).message}, want a free address of this machine`, { cause: error })
  } finally {
    server.removeListener('error', reject)
  }
}

// Read first: RFC 5452 (forged answers), RFC 7766 (TCP).
import { createSocket } from 'node:dgram'
import { createConnection, isIPv6 } from 'node:net'
import type { ListenAddress } from '@weft/api'
import { DnsError } from '../dns-error.ts'

export interface ExchangeOptions {
  /** True for the response that belongs to the query; others are waited past. */
  readonly accept: (response: Uint8Array) => boolean
  readonly signal: AbortSignal
}

/** Wrong responses to one query after which UDP is no longer believed: somebody guesses ids. */
const maxForged = 8

/**
 * Asks over UDP from a socket of its own, so that id and port are both random; it is connected, so the kernel drops
 * what comes from elsewhere and tells about closed ports at once.
 *
 * @throws {DnsError} `ERR_DNS_UPSTREAM`; the signal's reason when aborted.
 */
export async function exchangeUdp(server: ListenAddress, query: Uint8Array, options: ExchangeOptions): Promise<Uint8Array> {
  const { accept, signal } = options
  signal.throwIfAborted()
  const { promise, reject, resolve } = Promise.withResolvers<Uint8Array>()
  const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4')
  const abort = (): void => reject(signal.reason as Error)
  let forged = 0
  signal.addEventListener('abort', abort, { once: true })
  socket.on('error', (error) => reject(failure(server, 'udp', error)))
  socket.on('message', (response) => {
    if (accept(response)) resolve(response)
    else if (++forged >= maxForged) reject(new DnsError('ERR_DNS_UPSTREAM', `Cannot believe upstream "${server.address}": ${forged} responses did not match, want the one that does`))
  })
  try {
    // Node gives the callback what went wrong, e.g. ENETUNREACH, though its types do not say so.
    const connected = (refused?: Error | null): void => {
      if (refused !== undefined && refused !== null) return reject(failure(server, 'udp', refused))
      socket.send(query, (error) => {
        if (error !== null) reject(failure(server, 'udp', error))
      })
    }
    socket.connect(server.port, server.address, connected)
    return await promise
  } finally {
    signal.removeEventListener('abort', abort)
    socket.close()
  }
}

/**
 * Asks over TCP, one question a connection.
 *
 * @throws {DnsError} `ERR_DNS_UPSTREAM`; the signal's reason when aborted.
 */
export async function exchangeTcp(server: ListenAddress, query: Uint8Array, options: ExchangeOptions): Promise<Uint8Array> {
  const { accept, signal } = options
  signal.throwIfAborted()
  const { promise, reject, resolve } = Promise.withResolvers<Uint8Array>()
  const socket = createConnection({ host: server.address, port: server.port })
  const abort = (): void => reject(signal.reason as Error)
  signal.addEventListener('abort', abort, { once: true })
  let received = Buffer.alloc(0)
  socket.on('error', (error) => reject(failure(server, 'tcp', error)))
  socket.on('close', () => reject(failure(server, 'tcp', new Error('the connection was closed'))))
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
    if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return
    const response = received.subarray(2, 2 + received.readUInt16BE(0))
    if (accept(response)) resolve(response)
    else reject(failure(server, 'tcp', new Error('the response does not match the query')))
  })
  try {
    const framed = Buffer.alloc(2 + query.length)
    framed.writeUInt16BE(query.length, 0)
    framed.set(query, 2)
    socket.write(framed)
    return await promise
  } finally {
    signal.removeEventListener('abort', abort)
    socket.destroy()
  }
}

function failure(server: ListenAddress, transport: string, cause: Error): DnsError {
  return new DnsError('ERR_DNS_UPSTREAM', `Cannot ask upstream "${server.address}": ${transport} says ${cause.message}, want an answer`, { cause })
}

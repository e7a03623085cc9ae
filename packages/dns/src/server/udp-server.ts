import { createSocket, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import type { ListenAddress } from '@weft/api'
import type { Logger } from '@weft/daemon'
import { DnsError } from '../dns-error.ts'
import { maxMessageBytes } from '../wire/message.ts'
import type { Arrival } from './query-handler.ts'

export interface UdpServerOptions {
  readonly listen: ListenAddress
  /** Several threads share the port; the kernel spreads clients over them. */
  readonly reusePort: boolean
  readonly handle: (arrival: Arrival, out: Buffer) => number
  readonly logger: Logger
}

export interface UdpServer extends AsyncDisposable {
  /** Where it really listens: the port when 0 was asked for. */
  readonly address: ListenAddress
}

/** Datagrams come in bursts: room for those that arrive while one burst is answered. */
const receiveBufferBytes = 4 * 1024 * 1024

/**
 * Answers DNS over UDP on one address.
 *
 * @throws {DnsError} `ERR_DNS_LISTEN`.
 */
export async function serveUdp(options: UdpServerOptions): Promise<UdpServer> {
  const { handle, listen, logger, reusePort } = options
  const family = isIPv6(listen.address) ? 6 : 4
  const socket = createSocket({
    type: family === 6 ? 'udp6' : 'udp4',
    ipv6Only: family === 6,
    reusePort,
    // Addresses come from datagrams: nothing to look up, so answer at once instead of in a later tick.
    lookup: (hostname, _options, callback) => callback(null, hostname, family),
  })
  await bind(socket, listen)
  try {
    socket.setRecvBufferSize(receiveBufferBytes)
  } catch {
    // Bounded by rmem_max; what the kernel gives is good enough.
  }
  let out = Buffer.allocUnsafeSlow(maxMessageBytes)
  socket.on('message', (bytes, peer) => {
    const { address, port } = peer
    // Responses without a port cannot be sent; nobody honest asks from port 0.
    if (port === 0) return
    const length = handle({ bytes, address, transport: 'udp', later: (response) => socket.send(response, port, address) }, out)
    if (length === 0) return
    socket.send(out, 0, length, port, address)
    // The kernel took it at once, or the socket keeps the buffer until it can: then it must not be written again.
    if (socket.getSendQueueCount() > 0) out = Buffer.allocUnsafeSlow(maxMessageBytes)
  })
  // ICMP errors of clients that went away come back here.
  socket.on('error', (error) => logger.debug({ err: error, address: listen.address }, 'udp socket error'))
  return {
    address: { address: listen.address, port: socket.address().port },
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => socket.close(() => resolve()))
    },
  }
}

async function bind(socket: Socket, listen: ListenAddress): Promise<void> {
  const { promise, reject, resolve } = Promise.withResolvers<void>()
  socket.once('error', reject)
  socket.bind({ address: listen.address, port: listen.port, exclusive: true }, resolve)
  try {
    await promise
  } catch (error) {
    socket.close()
    throw new DnsError('ERR_DNS_LISTEN', `Cannot listen on "${listen.address}" port ${listen.port}: udp says ${(error as Error).message}, want a free address of this machine`, { cause: error })
  } finally {
    socket.removeListener('error', reject)
  }
}

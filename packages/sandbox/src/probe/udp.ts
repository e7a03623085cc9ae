import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { ProbeFailure, resolveHost } from './failure.ts'

/** Serves both families on one port; an empty answer is not sent. */
export function serveUdp(port: number, answer: (message: Buffer, peer: RemoteInfo) => string): void {
  const listen = (type: 'udp4' | 'udp6', otherwise?: () => void): void => {
    const socket = createSocket({ type, ipv6Only: false })
    socket.on('message', (message, peer) => {
      const text = answer(message, peer)
      if (text !== '') socket.send(text, peer.port, peer.address, () => undefined)
    })
    socket.once('error', (error) => {
      socket.close()
      if (otherwise === undefined) throw error
      otherwise()
    })
    socket.bind(port)
  }
  listen('udp6', () => listen('udp4'))
}

export interface UdpCall {
  readonly host: string
  readonly port: number
  readonly message: string | Uint8Array
  /** Hops the datagram may take: the host's own kernel is not one, each that forwards it is. The kernel's default when absent. */
  readonly ttl?: number | undefined
  readonly signal: AbortSignal
}

/** One datagram and its reply, from a connected socket of its own, so that refusals are heard. */
export async function callUdp({ host, port, message, ttl, signal }: UdpCall): Promise<{ readonly reply: Buffer, readonly local: string }> {
  const { address, family } = await resolveHost(host, signal)
  signal.throwIfAborted()
  const socket: Socket = createSocket(family === 6 ? 'udp6' : 'udp4')
  const { promise, resolve, reject } = Promise.withResolvers<{ reply: Buffer, local: string }>()
  const onAbort = (): void => reject(new ProbeFailure('TIMEOUT', 'no reply in time'))
  signal.addEventListener('abort', onAbort, { once: true })
  socket.on('error', reject)
  socket.on('message', (reply) => resolve({ reply, local: `${socket.address().address}:${socket.address().port}` }))
  socket.connect(port, address, () => {
    if (ttl !== undefined) socket.setTTL(ttl)
    socket.send(message)
  })
  try {
    return await promise
  } finally {
    signal.removeEventListener('abort', onAbort)
    socket.close()
  }
}

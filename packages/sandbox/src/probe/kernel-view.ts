import { createSocket } from 'node:dgram'
import { readFile } from 'node:fs/promises'

/** IPv4 and IPv6 routes of the main table as text; that of a family the kernel does not have is empty. */
export async function readRoutes(): Promise<string[]> {
  return await Promise.all(['/proc/net/route', '/proc/net/ipv6_route'].map(async (path) => await readFile(path, 'utf8').catch(() => '')))
}

/** The kernel chooses the source of a datagram socket when it is connected; nothing is sent. */
export async function sourceTo(host: string): Promise<string> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  socket.once('error', reject)
  socket.connect(9, host, () => resolve(socket.address().address))
  try {
    return await promise
  } finally {
    socket.close()
  }
}

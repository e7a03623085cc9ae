import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

const tries = 50

/** A port of 127.0.0.1 that is free for UDP and TCP, and that no client is given meanwhile: Linux gives them those from 32768 on. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < tries; attempt += 1) {
    const port = randomInt(20_000, 32_768)
    if (await canBind(port)) return port
  }
  throw new Error(`Cannot find a free port: ${tries} were taken`)
}

async function canBind(port: number): Promise<boolean> {
  const udp = createSocket('udp4')
  const tcp = createServer()
  try {
    udp.bind(port, '127.0.0.1')
    await once(udp, 'listening')
    tcp.listen(port, '127.0.0.1')
    await once(tcp, 'listening')
    return true
  } catch {
    return false
  } finally {
    await Promise.all([new Promise<void>((resolve) => udp.close(() => resolve())), new Promise<void>((resolve) => tcp.close(() => resolve()))])
  }
}

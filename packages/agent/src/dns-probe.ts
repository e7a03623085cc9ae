// Read first: RFC 1035 §4.1.
import { createSocket } from 'node:dgram'

const headerBytes = 12
const flagsOffset = 2
const rcodeOffset = 3
const isResponse = 0x80
const recursionDesired = 0x01
const noError = 0
const nxDomain = 3

/** Where to ask, and what. */
export interface DnsProbeOptions {
  readonly port: number
  /** Without a dot at the end. Whether it exists does not matter: a server that knows the cluster says yes or no. */
  readonly name: string
  readonly timeoutMs: number
}

/**
 * Asks the DNS server on this machine for a name of the cluster. By the loopback address: answers to the node's own
 * address may be rewritten on their way (packages/proxy). The socket is connected, so a closed port says so at once.
 *
 * @returns True when it answers and knows; false when it is silent, refuses, or has no data yet.
 */
export async function askLocalDns({ port, name, timeoutMs }: DnsProbeOptions): Promise<boolean> {
  const id = Math.floor(Math.random() * 0x1_0000)
  const socket = createSocket('udp4')
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => resolve(false), timeoutMs)
  socket.on('error', () => resolve(false))
  socket.on('message', (answer) => {
    if (answer.length < headerBytes || answer.readUInt16BE(0) !== id || (answer[flagsOffset]! & isResponse) === 0) return
    const rcode = answer[rcodeOffset]! & 0x0f
    resolve(rcode === noError || rcode === nxDomain)
  })
  socket.connect(port, '127.0.0.1', () => socket.send(encodeQuery(id, name)))
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    socket.close()
  }
}

/** A question for the A record. */
export function encodeQuery(id: number, name: string): Buffer {
  const header = Buffer.alloc(headerBytes)
  header.writeUInt16BE(id, 0)
  header[flagsOffset] = recursionDesired
  header.writeUInt16BE(1, 4)
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)]))
  return Buffer.concat([header, ...labels, Buffer.of(0, 0, 1, 0, 1)])
}

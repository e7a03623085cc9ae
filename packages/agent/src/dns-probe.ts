// Read first: RFC 1035 §4.1.
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

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
 * address may be rewritten on their way (packages/proxy). The socket is connected, so a closed port says so at once; all
 * questions share it, for one made for each was a third of what an idle agent did.
 */
export class DnsProbe implements Disposable {
  readonly #socket: Socket
  readonly #question: Buffer
  readonly #timeoutMs: number
  #pending: { readonly id: number, readonly resolve: (answers: boolean) => void } | undefined

  private constructor(socket: Socket, { name, timeoutMs }: DnsProbeOptions) {
    this.#socket = socket
    this.#question = encodeQuery(0, name)
    this.#timeoutMs = timeoutMs
    socket.on('error', () => this.#pending?.resolve(false))
    socket.on('message', (answer) => {
      const pending = this.#pending
      if (pending === undefined || answer.length < headerBytes || answer.readUInt16BE(0) !== pending.id || (answer[flagsOffset]! & isResponse) === 0) return
      const rcode = answer[rcodeOffset]! & 0x0f
      pending.resolve(rcode === noError || rcode === nxDomain)
    })
  }

  static async open(options: DnsProbeOptions): Promise<DnsProbe> {
    const socket = createSocket('udp4')
    socket.connect(options.port, '127.0.0.1')
    await once(socket, 'connect')
    return new DnsProbe(socket, options)
  }

  /**
   * One question at a time.
   *
   * @returns True when it answers and knows; false when it is silent, refuses, or has no data yet.
   */
  async ask(): Promise<boolean> {
    const id = Math.floor(Math.random() * 0x1_0000)
    const { promise, resolve } = Promise.withResolvers<boolean>()
    this.#pending = { id, resolve }
    const timer = setTimeout(() => resolve(false), this.#timeoutMs)
    this.#question.writeUInt16BE(id, 0)
    this.#socket.send(this.#question)
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      this.#pending = undefined
    }
  }

  [Symbol.dispose](): void {
    this.#socket.close()
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

// Read first: RFC 1035 §4.1.
import { LoopbackUdp, NetlinkError } from '@weft/netlink'

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
}

/**
 * Asks the DNS server on this machine for a name of the cluster. By the loopback address: answers to the node's own
 * address may be rewritten on their way (packages/proxy). Nothing waits for an answer: whoever asks looks for it later, since an
 * idle agent that is woken by each would do little else.
 */
export class DnsProbe implements Disposable {
  readonly #socket: LoopbackUdp
  readonly #question: Buffer
  /** Of an answer, what tells how it went. */
  readonly #head: Buffer = Buffer.alloc(headerBytes)
  #answer: boolean | undefined

  constructor({ port, name }: DnsProbeOptions) {
    this.#socket = new LoopbackUdp(port)
    this.#question = encodeQuery(0, name)
  }

  /** Asks anew; what comes of earlier questions counts no more. */
  ask(): void {
    this.#look()
    this.#question.writeUInt16BE(Math.floor(Math.random() * 0x1_0000), 0)
    this.#answer = undefined
    this.#attempt(() => this.#socket.send(this.#question))
  }

  /** True when it answers and knows; false when it refuses, is not there, or has no data yet; undefined while it is silent. */
  get answer(): boolean | undefined {
    this.#look()
    return this.#answer
  }

  #look(): void {
    this.#attempt(() => {
      for (let length = this.#socket.receive(this.#head); length !== undefined; length = this.#socket.receive(this.#head)) this.#read(length)
    })
  }

  /** A closed port is an answer. */
  #attempt(action: () => void): void {
    try {
      action()
    } catch (error) {
      if (!(error instanceof NetlinkError)) throw error
      this.#answer = false
    }
  }

  #read(length: number): void {
    if (length < headerBytes || this.#head.readUInt16BE(0) !== this.#question.readUInt16BE(0) || (this.#head[flagsOffset]! & isResponse) === 0) return
    const rcode = this.#head[rcodeOffset]! & 0x0f
    this.#answer = rcode === noError || rcode === nxDomain
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]()
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

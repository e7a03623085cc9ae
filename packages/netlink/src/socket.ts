import { atOnce } from './at-once.ts'
import { Exchange, untilWhole } from './exchange.ts'
import type { Outcome } from './exchange.ts'
import { NetlinkError } from './errors.ts'
import * as libc from './libc.ts'
import { decodeMessages } from './message.ts'
import type { NetlinkMessage, NetlinkRequest } from './message.ts'
import { NETLINK_ADD_MEMBERSHIP, NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK, NETLINK_PROTOCOL, NLM_F_ACK, NLM_F_DUMP, SOL_NETLINK } from './netlink-protocol.ts'
import type { NetlinkProtocol } from './netlink-protocol.ts'
import { sharedNetnsWorker } from './netns-worker.ts'
import { MessageWriter } from './writer.ts'

const FIRST_RECEIVE_BYTES = 1 << 16
/** A kernel that owes an answer has it ready when send returns; this bounds waiting for a broken one. */
const ANSWER_TIMEOUT_MS = 10_000
/** Asked of the kernel with FORCE; memory is only taken while a message is under way. */
const LARGEST_BUFFER_BYTES = 64 << 20
/** What the kernel takes of the send buffer for itself. */
const SEND_OVERHEAD_BYTES = 32

/** Options of {@link NetlinkSocket.open}. */
export interface NetlinkSocketOptions {
  /** Path of a network namespace; the caller's own when absent. The socket stays in it for ever. */
  readonly netns?: string | undefined
}

/**
 * A netlink socket: the only class that holds a netlink file descriptor.
 *
 * Calls are synchronous: the kernel has carried a request out when `send` returns, so a round trip
 * costs microseconds and no promise. The `…Async` variants send from another thread, for requests
 * that keep the kernel busy for milliseconds; both kinds may be mixed, answers are told apart by sequence.
 * The socket is connected to the kernel: no other process can put a message into it.
 */
export class NetlinkSocket implements Disposable {
  readonly protocol: NetlinkProtocol
  readonly #fd: number
  #open = true
  /** Sends under way on other threads: the descriptor outlives them. */
  #sending = 0
  #sequence = 0
  #receive: Uint8Array = new Uint8Array(FIRST_RECEIVE_BYTES)
  readonly #pending = new Set<Exchange>()

  private constructor(fd: number, protocol: NetlinkProtocol, growBuffers: boolean) {
    this.#fd = fd
    this.protocol = protocol
    libc.connect(fd, KERNEL_ADDRESS)
    libc.setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1)
    libc.setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1)
    libc.setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1)
    if (!growBuffers) return
    growBuffer(fd, libc.SO_RCVBUFFORCE, libc.SO_RCVBUF, 4 << 20)
    // Only an nfnetlink batch must fit one message.
    if (protocol === 'netfilter') growBuffer(fd, libc.SO_SNDBUFFORCE, libc.SO_SNDBUF, LARGEST_BUFFER_BYTES)
  }

  /** Opens a socket, in another network namespace if `netns` names one. */
  static async open(protocol: NetlinkProtocol, options: NetlinkSocketOptions = {}): Promise<NetlinkSocket> {
    if (options.netns === undefined) return NetlinkSocket.openHere(protocol)
    return NetlinkSocket.fromFd(await sharedNetnsWorker().openSocket(options.netns, protocol), protocol)
  }

  /** Opens a socket in the caller's own network namespace. */
  static openHere(protocol: NetlinkProtocol): NetlinkSocket {
    return NetlinkSocket.fromFd(libc.socket(libc.AF_NETLINK, libc.SOCK_RAW, NETLINK_PROTOCOL[protocol]), protocol)
  }

  /**
   * Takes over a descriptor opened elsewhere, e.g. one received with SCM_RIGHTS. It is closed if it cannot be used.
   *
   * @param options.growBuffers For dumps of large tables and large messages. @default true
   */
  static fromFd(fd: number, protocol: NetlinkProtocol, { growBuffers = true }: { readonly growBuffers?: boolean } = {}): NetlinkSocket {
    try {
      return new NetlinkSocket(fd, protocol, growBuffers)
    } catch (error) {
      libc.close(fd)
      throw error
    }
  }

  get fd(): number {
    return this.#fd
  }

  /** Bytes of the largest message or batch that one send takes. */
  sndbuf(): number {
    return libc.getsockopt(this.#fd, libc.SOL_SOCKET, libc.SO_SNDBUF, 4).readInt32LE() - SEND_OVERHEAD_BYTES
  }

  /** Reserves `count` sequence numbers and gives the first: for {@link NetlinkSocket.exchange}. */
  reserveSequences(count: number): number {
    // 0 marks notifications, so a range never wraps across it.
    if (this.#sequence + count > 0xffff_ffff) this.#sequence = 0
    const first = this.#sequence + 1
    this.#sequence += count
    return first
  }

  /**
   * Sends a request and waits for its acknowledgement.
   *
   * @returns The messages that came before the acknowledgement: the object of a GET, the echo of a NEW.
   * @throws {NetlinkError} If the kernel refuses.
   */
  request(request: NetlinkRequest): NetlinkMessage[] {
    return single(this.batch([request])[0]!)
  }

  /** {@link request}, sent from another thread. */
  async requestAsync(request: NetlinkRequest): Promise<NetlinkMessage[]> {
    return single((await this.batchAsync([request]))[0]!)
  }

  /**
   * Sends requests in one message; the kernel carries all of them out, in order, whatever becomes of the others.
   * Only the last is asked to acknowledge success: an error is always reported, and silence before the last means success.
   *
   * @returns One outcome per request.
   */
  batch(requests: readonly NetlinkRequest[]): Outcome[] {
    const [exchange, bytes] = this.#encode(requests)
    return this.#exchanging(exchange, () => {
      this.#send(bytes)
      this.#receiveUntil(exchange, () => exchange.complete)
      return exchange.outcomes()
    })
  }

  /** {@link batch}, sent from another thread. */
  async batchAsync(requests: readonly NetlinkRequest[]): Promise<Outcome[]> {
    const [exchange, bytes] = this.#encode(requests)
    this.#pending.add(exchange)
    try {
      await this.#sendAsync(bytes)
      this.#receiveUntil(exchange, () => exchange.complete)
      return exchange.outcomes()
    } finally {
      this.#pending.delete(exchange)
    }
  }

  /**
   * Reads a whole table. A dump that changed under way (NLM_F_DUMP_INTR) or lost messages (ENOBUFS) is read again.
   *
   * @throws {NetlinkError} EINTR if the table still changes after ten attempts.
   */
  dump(request: NetlinkRequest): NetlinkMessage[] {
    return atOnce(this.dumping(request))
  }

  /**
   * {@link dump}, interrupted after every datagram: a large table holds up the event loop no longer than the caller wants. The kernel runs
   * one dump of a socket at a time, so nobody else may ask this one for a dump meanwhile.
   */
  *dumping(request: NetlinkRequest): Generator<void, NetlinkMessage[]> {
    const exchange = yield* untilWhole(request.operation, () => this.#dumpOnce(request))
    return single(exchange.outcomes()[0]!)
  }

  /**
   * Sends bytes encoded by the caller, with sequence numbers from {@link reserveSequences}, and collects
   * everything the kernel answers: for nfnetlink batches, where only errors and what was asked to be
   * acknowledged or echoed come back.
   *
   * @param bytes At most {@link sndbuf}.
   * @throws {NetlinkError} EMSGSIZE if `bytes` is larger than the send buffer, ENOBUFS if answers were lost.
   */
  exchange(bytes: Uint8Array, sequences: { readonly first: number; readonly count: number }): NetlinkMessage[] {
    const exchange = new Exchange(sequences.first, Array<string>(sequences.count).fill('exchange messages'))
    return this.#exchanging(exchange, () => {
      this.#send(bytes)
      return this.#drain(exchange)
    })
  }

  /** {@link exchange}, sent from another thread: a commit of 100,000 set elements keeps the kernel busy for 0.1 s. */
  async exchangeAsync(bytes: Uint8Array, sequences: { readonly first: number; readonly count: number }): Promise<NetlinkMessage[]> {
    const exchange = new Exchange(sequences.first, Array<string>(sequences.count).fill('exchange messages'))
    this.#pending.add(exchange)
    try {
      await this.#sendAsync(bytes)
      return this.#drain(exchange)
    } finally {
      this.#pending.delete(exchange)
    }
  }

  /** Sends bytes and looks for no answer. */
  sendRaw(bytes: Uint8Array): void {
    this.#send(bytes)
  }

  /**
   * Receives one datagram, whatever is in it.
   *
   * @param timeoutMs How long to block for it; 0 looks and returns.
   * @returns A copy, `'overrun'` if messages were lost, or `undefined` when nothing came.
   */
  recvRaw(timeoutMs = 0): Uint8Array | 'overrun' | undefined {
    this.#assertOpen()
    const bytes = this.#recv()
    if (bytes !== undefined || timeoutMs === 0) return bytes
    return libc.poll(this.#fd, libc.POLLIN, timeoutMs) === 0 ? undefined : this.#recv()
  }

  /** Joins a multicast group, by number: notifications come with {@link recvRaw}. */
  join(group: number): void {
    libc.setsockopt(this.#fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
  }

  [Symbol.dispose](): void {
    if (!this.#open) return
    this.#open = false
    if (this.#sending === 0) libc.close(this.#fd)
  }

  *#dumpOnce(request: NetlinkRequest): Generator<void, Exchange> {
    const sequence = this.reserveSequences(1)
    const exchange = new Exchange(sequence, [request.operation])
    const bytes = new MessageWriter(32 + request.payload.length)
      .startMessage(request.type, request.flags | NLM_F_DUMP, sequence)
      .putBytes(request.payload)
      .endMessage()
      .bytes()
    this.#pending.add(exchange)
    try {
      this.#send(bytes)
      while (!exchange.complete) {
        const before = exchange.messages.length
        this.#receiveUntil(exchange, () => exchange.complete || exchange.messages.length > before)
        yield
      }
    } finally {
      this.#pending.delete(exchange)
    }
    return exchange
  }

  #encode(requests: readonly NetlinkRequest[]): [Exchange, Uint8Array] {
    if (requests.length === 0) throw new RangeError('Cannot send a netlink batch: it has no requests')
    const first = this.reserveSequences(requests.length)
    const writer = new MessageWriter(256 * requests.length)
    for (const [index, request] of requests.entries()) {
      const ack = index === requests.length - 1 ? NLM_F_ACK : 0
      writer.startMessage(request.type, request.flags | ack, first + index).putBytes(request.payload).endMessage()
    }
    return [new Exchange(first, requests.map((request) => request.operation)), writer.bytes()]
  }

  #exchanging<T>(exchange: Exchange, run: () => T): T {
    this.#pending.add(exchange)
    try {
      return run()
    } finally {
      this.#pending.delete(exchange)
    }
  }

  #assertOpen(): void {
    if (!this.#open) throw new TypeError(`Cannot use ${this.protocol} netlink socket: it is closed`)
  }

  #send(bytes: Uint8Array): void {
    this.#assertOpen()
    if (libc.send(this.#fd, bytes, 0) === undefined) throw new NetlinkError({ operation: 'send message', errno: libc.EAGAIN })
  }

  async #sendAsync(bytes: Uint8Array): Promise<void> {
    this.#assertOpen()
    this.#sending++
    try {
      await libc.sendAsync(this.#fd, bytes, 0)
    } finally {
      this.#sending--
      if (!this.#open && this.#sending === 0) libc.close(this.#fd)
    }
    this.#assertOpen()
  }

  #receiveUntil(exchange: Exchange, done: () => boolean): void {
    while (!done()) {
      const bytes = this.#recv()
      if (bytes === 'overrun') this.#loseAnswers()
      else if (bytes !== undefined) this.#dispatch(bytes)
      else if (exchange.lost) throw new NetlinkError({ operation: exchange.operation, errno: ENOBUFS, kernelMessage: 'answers were lost' })
      else if (libc.poll(this.#fd, libc.POLLIN, ANSWER_TIMEOUT_MS) === 0) throw new NetlinkError({ operation: exchange.operation, errno: ETIMEDOUT })
    }
  }

  #drain(exchange: Exchange): NetlinkMessage[] {
    for (let bytes = this.#recv(); bytes !== undefined; bytes = this.#recv()) {
      if (bytes === 'overrun') this.#loseAnswers()
      else this.#dispatch(bytes)
    }
    if (exchange.lost) throw new NetlinkError({ operation: exchange.operation, errno: ENOBUFS, kernelMessage: 'answers were lost' })
    return exchange.messages
  }

  #loseAnswers(): void {
    for (const exchange of this.#pending) exchange.lost = true
  }

  /** One datagram, copied out of the shared buffer. */
  #recv(): Uint8Array | 'overrun' | undefined {
    try {
      const length = libc.recv(this.#fd, this.#receive, libc.MSG_DONTWAIT | libc.MSG_TRUNC)
      if (length === undefined) return undefined
      if (length <= this.#receive.length) return this.#receive.slice(0, length)
      // The kernel threw away what did not fit. Have more room next time.
      this.#receive = new Uint8Array(length * 2)
      return 'overrun'
    } catch (error) {
      if (error instanceof NetlinkError && error.errno === ENOBUFS) return 'overrun'
      throw error
    }
  }

  #dispatch(bytes: Uint8Array): void {
    for (const message of decodeMessages(bytes)) {
      // What belongs to nobody answers a request that was given up.
      for (const exchange of this.#pending) if (exchange.take(message)) break
    }
  }
}

const ENOBUFS = 105
const ETIMEDOUT = 110

/** struct sockaddr_nl of the kernel: family, padding, port 0, no groups. */
const KERNEL_ADDRESS = new Uint8Array([libc.AF_NETLINK, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])

function single(outcome: Outcome): NetlinkMessage[] {
  if (outcome.error !== undefined) throw outcome.error
  return [...outcome.messages]
}

/** Beyond the limit of the machine if rights allow, else up to it: the kernel cuts a plain request down by itself. */
function growBuffer(fd: number, force: number, plain: number, bytes: number): void {
  try {
    libc.setsockopt(fd, libc.SOL_SOCKET, force, bytes)
  } catch (error) {
    if (!(error instanceof NetlinkError && error.code === 'EPERM')) throw error
    libc.setsockopt(fd, libc.SOL_SOCKET, plain, bytes)
  }
}

import { NetlinkError } from './errors.ts'
import { decodeAck, isTerminal } from './message.ts'
import type { NetlinkMessage } from './message.ts'
import { NLM_F_DUMP_INTR } from './netlink-protocol.ts'

const DUMP_ATTEMPTS = 10
const EINTR = 4

/** What became of one request. */
export interface Outcome {
  readonly error: NetlinkError | undefined
  readonly messages: readonly NetlinkMessage[]
}

/**
 * Requests under way on a socket, with consecutive sequence numbers: takes the messages that answer
 * them, and knows when all are answered. Complete means that the last request has its acknowledgement,
 * error or end of dump: the kernel works through a message in order.
 */
export class Exchange {
  /** The table changed during the dump. */
  interrupted = false
  /** The receive buffer overflowed: answers may be missing. */
  lost = false
  complete = false
  /** Every message taken, acknowledgements included. */
  readonly messages: NetlinkMessage[] = []
  readonly #first: number
  readonly #operations: readonly string[]

  /** @param operations What each request does, for error messages. */
  constructor(first: number, operations: readonly string[]) {
    this.#first = first
    this.#operations = operations
  }

  get operation(): string {
    return this.#operations.length === 1 ? this.#operations[0]! : `${this.#operations[0]!} and ${this.#operations.length - 1} more`
  }

  /** Takes the message if it answers one of these requests. */
  take(message: NetlinkMessage): boolean {
    const index = message.sequence - this.#first
    if (index < 0 || index >= this.#operations.length) return false
    this.messages.push(message)
    if ((message.flags & NLM_F_DUMP_INTR) !== 0) this.interrupted = true
    if (index === this.#operations.length - 1 && isTerminal(message)) this.complete = true
    return true
  }

  outcomes(): Outcome[] {
    const errors: (NetlinkError | undefined)[] = this.#operations.map(() => undefined)
    const messages: NetlinkMessage[][] = this.#operations.map(() => [])
    for (const message of this.messages) {
      const index = message.sequence - this.#first
      if (!isTerminal(message)) {
        messages[index]!.push(message)
        continue
      }
      const ack = decodeAck(message)
      if (ack.errno !== 0) errors[index] = new NetlinkError({ operation: this.#operations[index]!, ...ack })
    }
    return this.#operations.map((_operation, index) => ({ error: errors[index], messages: messages[index]! }))
  }
}

/**
 * Repeats a dump until one is whole: one that changed under way, or lost messages, may lack what was there all the time.
 *
 * @param dump Reads the table once.
 * @throws {NetlinkError} EINTR if none of ten is whole; never is a part of a table given out.
 */
export function* untilWhole(operation: string, dump: () => Generator<void, Exchange>): Generator<void, Exchange> {
  for (let attempt = 1; attempt <= DUMP_ATTEMPTS; attempt++) {
    const exchange = yield* dump()
    if (!exchange.interrupted && !exchange.lost) return exchange
  }
  throw new NetlinkError({ operation, errno: EINTR, kernelMessage: `the table changed during each of ${DUMP_ATTEMPTS} dumps` })
}

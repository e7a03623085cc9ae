import { type NetlinkMessage, NetlinkError, NetlinkSocket, type NetlinkSocketOptions, decodeAck, isTerminal, isTooLarge } from '@weft/netlink'
import { type BatchMessage, type BatchOptions, type EncodedBatch, encodeBatch } from './batch.ts'
import { commitError, refusal } from './commit-error.ts'
import * as nf from './nf-tables.ts'
import { NftError, type RefusedOperation } from './nft-error.ts'
import type { ChainGraph, InTurns, NftInTurns, SetOccupancy, TableEvent, TableState } from './nft.ts'
import { errnoName, kernelHasDestroy } from './kernel-version.ts'
import { readGraph } from './read-graph.ts'
import { readingOccupancy } from './read-occupancy.ts'
import { portOf, readingTable, readTable } from './read-table.ts'
import { splitBatch } from './split.ts'
import { TableChanges } from './table-changes.ts'
import type { TableFamily, TableName } from './table.ts'
import type { Transaction } from './transaction.ts'
import { watchTable } from './watch-table.ts'

const HEADER = 16
const BATCH_HEADER = HEADER + 4
const SEQUENCE_OFFSET = 8
const REPLAYS = 5

/** How an {@link NftSocket} is opened. */
export interface NftSocketOptions extends NetlinkSocketOptions {
  /** False makes `destroy` with older messages, as kernels before 6.3 need. @default true on 6.3 and later */
  readonly canDestroy?: boolean | undefined
  /** Largest batch in bytes, if less than the socket takes; for tests. */
  readonly limitBytes?: number | undefined
}

/**
 * The kernel's nftables through one netlink socket. Commits are synchronous: the kernel has done everything when `sendmsg` returns, and a commit of one
 * element takes tens of microseconds; a worker or a promise would cost more than it saves.
 *
 * A transaction is one batch, taken whole or not at all. If it does not fit the send buffer, declarations and elements go first in batches of their own;
 * what belongs together (rules, deletions, base chains) is never torn apart.
 */
export class NftSocket implements NftInTurns, Disposable {
  readonly #socket: NetlinkSocket
  readonly #options: BatchOptions
  readonly #limit: number
  readonly #netns: string | undefined

  /** Takes over a netfilter socket, e.g. one opened elsewhere. */
  constructor(socket: NetlinkSocket, options: NftSocketOptions = {}) {
    this.#socket = socket
    this.#options = { canDestroy: options.canDestroy ?? kernelHasDestroy() }
    this.#limit = Math.min(socket.sndbuf(), options.limitBytes ?? Number.POSITIVE_INFINITY)
    this.#netns = options.netns
  }

  /** Opens a socket, in another network namespace if `netns` names one. */
  static async open(options: NftSocketOptions = {}): Promise<NftSocket> {
    return new NftSocket(await NetlinkSocket.open('netfilter', options), options)
  }

  /** Opens a socket in the caller's network namespace. */
  static openHere(options: Omit<NftSocketOptions, 'netns'> = {}): NftSocket {
    return new NftSocket(NetlinkSocket.openHere('netfilter'), options)
  }

  /** Largest batch in bytes. */
  get limitBytes(): number {
    return this.#limit
  }

  commit(transaction: Transaction): void {
    for (const { batch, part } of this.#partsOf(transaction)) this.#send(transaction, batch, { part, isCheck: false })
  }

  check(transaction: Transaction): void {
    const [first, ...more] = this.#partsOf(transaction)
    // What is refused may need what was tried before it.
    if (more.length > 0) throw this.#tooLarge(transaction, first!.batch)
    if (first !== undefined) this.#send(transaction, first.batch, { part: first.part, isCheck: true })
  }

  read(family: TableFamily, name: string): TableState | undefined {
    return readTable(this.#socket, { family, name })
  }

  async readInTurns(family: TableFamily, name: string, run: InTurns): Promise<TableState | undefined> {
    using changes = await TableChanges.open({ family, name }, { netns: this.#netns })
    using socket = await NetlinkSocket.open('netfilter', { netns: this.#netns })
    return await run(readingTable(socket, { family, name }, () => changes.any()))
  }

  /** Chains of any table, also of another program's, and the rules that lead from one to another; undefined if there is no such table. */
  graph(family: TableFamily, name: string): ChainGraph | undefined {
    return readGraph(this.#socket, { family, name })
  }

  /** How full sets and maps of a table are, of those that have a size; empty without such a table. In turns, as {@link readInTurns}. */
  async occupancy(family: TableFamily, name: string, run: InTurns): Promise<readonly SetOccupancy[]> {
    using socket = await NetlinkSocket.open('netfilter', { netns: this.#netns })
    return await run(readingOccupancy(socket, { family, name }))
  }

  /** The kernel's number of this socket, which events name. */
  get portId(): number {
    return portOf(this.#socket)
  }

  /** Follows what other programs change in a table; see {@link watchTable}. */
  watch(table: TableName, options: { readonly signal: AbortSignal }): Promise<AsyncIterable<TableEvent | 'overrun'>> {
    return watchTable(table, { netns: this.#netns, signal: options.signal, ignorePorts: [this.portId] })
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]()
  }

  #partsOf(transaction: Transaction): readonly { readonly batch: EncodedBatch, readonly part: readonly number[] }[] {
    if (transaction.isEmpty) return []
    const batch = encodeBatch(transaction.table, transaction.operations, this.#options)
    const parts = splitBatch(batch, this.#limit - 2 * BATCH_HEADER)
    if (parts === undefined) throw this.#tooLarge(transaction, batch)
    return parts.map((part) => ({ batch, part }))
  }

  /** One batch; the kernel undoes one whose end is missing, when it has looked at all of it. */
  #send(transaction: Transaction, batch: EncodedBatch, { part, isCheck }: { readonly part: readonly number[], readonly isCheck: boolean }): void {
    const messages = part.map((index) => batch.messages[index]!)
    const slices = part.map((index) => batch.bytes.subarray(batch.messages[index]!.start, batch.messages[index + 1]?.start))
    const bytes = new Uint8Array(slices.reduce((sum, slice) => sum + slice.length, (isCheck ? 1 : 2) * BATCH_HEADER))
    const view = new DataView(bytes.buffer)
    const starts: number[] = []
    let at = BATCH_HEADER
    for (const slice of slices) {
      bytes.set(slice, at)
      starts.push(at)
      at += slice.length
    }
    const count = messages.length + (isCheck ? 1 : 2)
    for (let attempt = 1; ; attempt++) {
      const sequence = this.#socket.reserveSequences(count)
      putBatchMark(view, 0, nf.BATCH_BEGIN, sequence)
      for (const [index, start] of starts.entries()) view.setUint32(start + SEQUENCE_OFFSET, sequence + 1 + index, true)
      if (!isCheck) putBatchMark(view, bytes.length - BATCH_HEADER, nf.BATCH_END, sequence + count - 1)
      const answers = this.#exchange(transaction, batch, { bytes, sequence, count })
      const refused = refusals(transaction, answers, { sequence, messages })
      if (refused.length === 0) return
      // Another program committed between check and commit, or the kernel had to load a module.
      if (attempt < REPLAYS && refused.every(({ errno }) => errno === 'EAGAIN' || errno === 'EINTR')) continue
      throw commitError(transaction, refused)
    }
  }

  #exchange(transaction: Transaction, batch: EncodedBatch, sent: { readonly bytes: Uint8Array; readonly sequence: number; readonly count: number }): NetlinkMessage[] {
    try {
      return this.#socket.exchange(sent.bytes, { first: sent.sequence, count: sent.count })
    } catch (error) {
      if (isTooLarge(error)) throw this.#tooLarge(transaction, batch)
      if (!(error instanceof NetlinkError)) throw error
      throw new NftError('ERR_NFT_COMMIT_FAILED', `Cannot commit to table "${transaction.table.family} ${transaction.table.name}": ${error.message}`, { cause: error, errno: error.code })
    }
  }

  #tooLarge(transaction: Transaction, batch: EncodedBatch): NftError {
    const { family, name } = transaction.table
    return new NftError(
      'ERR_NFT_BATCH_TOO_LARGE',
      `Cannot commit to table "${family} ${name}": its ${batch.bytes.length} bytes hold a part that belongs together and is larger than ${this.#limit}, raise net.core.wmem_max`,
    )
  }
}

// struct nlmsghdr and struct nfgenmsg whose resource is the subsystem.
function putBatchMark(view: DataView, at: number, type: number, sequence: number): void {
  view.setUint32(at, BATCH_HEADER, true)
  view.setUint16(at + 4, type, true)
  view.setUint16(at + 6, 1, true)
  view.setUint32(at + SEQUENCE_OFFSET, sequence, true)
  view.setUint32(at + 12, 0, true)
  view.setUint32(at + HEADER, nf.SUBSYSTEM, false)
}

function refusals(transaction: Transaction, answers: readonly NetlinkMessage[], sent: { readonly sequence: number; readonly messages: readonly BatchMessage[] }): RefusedOperation[] {
  const refused = new Map<number, RefusedOperation>()
  for (const answer of answers) {
    if (!isTerminal(answer)) continue
    const ack = decodeAck(answer)
    if (ack.errno === 0) continue
    const index = sent.messages[answer.sequence - sent.sequence - 1]?.operation ?? -1
    if (refused.has(index)) continue
    refused.set(index, refusal(transaction, index, { errno: errnoName(ack.errno), kernelMessage: ack.kernelMessage }))
  }
  return [...refused.values()]
}

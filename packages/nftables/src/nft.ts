import type { TableFamily, Table, TableName } from './table.ts'
import type { Transaction } from './transaction.ts'

/** Where a rule sits in the kernel. */
export interface RuleState {
  /** The kernel's number of the rule; what `replace` and `delete` take. */
  readonly handle: bigint
  /** Hash of the rule's text that our executor stored with it; undefined for rules of other programs. */
  readonly fingerprint: string | undefined
  readonly comment: string | undefined
  /** Of its first `counter` statement. */
  readonly counter?: { readonly packets: bigint, readonly bytes: bigint } | undefined
}

/** A table as the kernel has it. */
export interface TableState {
  readonly name: TableName
  /** Declarations and elements; chains without their rules (see `rules`). */
  readonly table: Table
  /** Rules by chain, in order. */
  readonly rules: ReadonlyMap<string, readonly RuleState[]>
}

/** A rule that leads from one chain of a table to another. */
export interface ChainJump {
  readonly chain: string
  readonly handle: bigint
  readonly to: string
}

/** Chains of a table, whoever made it, and how they hang together. */
export interface ChainGraph {
  readonly chains: readonly string[]
  readonly jumps: readonly ChainJump[]
}

/** How full a set or map is that has a size. */
export interface SetOccupancy {
  readonly name: string
  readonly count: number
  readonly size: number
}

/** A change that some program made to a table of ours. */
export interface TableEvent {
  readonly verb: 'new' | 'delete'
  readonly object: 'table' | 'chain' | 'rule' | 'set' | 'element' | 'object' | 'flowtable'
  /** Name of the chain, set or object concerned; the table's own for `table`. */
  readonly name: string
  /** Port id of the netlink socket that made the change, 0 for the kernel; compare with `NftSocket.portId` to tell foreign edits. */
  readonly portId: number
}

/**
 * The kernel's nftables, or a fake of it. Commits are synchronous: the kernel answers inside sendmsg.
 */
export interface Nft {
  /**
   * Applies a transaction whole or not at all.
   *
   * @throws {NftError} `ERR_NFT_COMMIT_FAILED`, naming the refused operations.
   */
  commit(transaction: Transaction): void
  /**
   * Tries a transaction, and leaves everything as it is: `nft --check`.
   *
   * @throws {NftError} What {@link Nft.commit} would throw.
   */
  check(transaction: Transaction): void
  /** Reads a table back; undefined if there is none. */
  read(family: TableFamily, name: string): TableState | undefined
  /** Follows what others change in a table; `overrun` means that events were lost and the table must be read again. */
  watch(table: TableName, options: { readonly signal: AbortSignal }): Promise<AsyncIterable<TableEvent | 'overrun'>>
}

/** Runs work that does a little at every step, so that others get their turn between. */
export type InTurns = <R>(work: Generator<void, R>) => Promise<R>

/** Where tables may be so large that reading one at once would hold up the event loop. */
export interface NftInTurns extends Nft {
  /**
   * {@link Nft.read} in pieces, through a socket of its own.
   */
  readInTurns(family: TableFamily, name: string, run: InTurns): Promise<TableState | undefined>
}

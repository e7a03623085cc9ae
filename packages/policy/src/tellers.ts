import { chain, type Chain, limit, log, rule, type Statement } from '@weft/nftables'
import { commentOf, tellChainName } from './names.ts'
import { References } from './references.ts'
import type { TableDraft } from './table-draft.ts'
import { textOf, type Told } from './told.ts'

/** Where the kernel logs to, and how much. */
export interface LogTarget {
  /** Netlink log group. */
  readonly group: number
  /** Packets each chain logs in a second. */
  readonly perSecond: number
}

/** A chain that logs a packet and goes on as whatever sent the packet there would have. */
export interface Teller {
  readonly told: Told
  readonly chain: Chain
}

/**
 * The limit is a match: what is beyond it is not logged and goes on all the same.
 *
 * @param after What follows; nothing to go back to whoever asked the chain that sent the packet here.
 */
export function tellerOf(told: Told, after: readonly Statement[], { group, perSecond }: LogTarget): Teller {
  const name = tellChainName(told.direction, `${textOf(told)} ${after.map((statement) => ('chain' in statement ? statement.chain : statement.kind)).join(' ')}`)
  return {
    told,
    chain: chain(name, [rule(limit(perSecond, 'second', { burst: perSecond * 2 }), log({ prefix: name, group })), ...(after.length === 0 ? [] : [rule(...after)])], { comment: commentOf(textOf(told)) }),
  }
}

/** Chains that log, each as long as somebody goes to it. */
export class Tellers {
  readonly #draft: TableDraft
  readonly #tellers = new References<Teller>()
  readonly #told = new Map<string, Told>()

  constructor(draft: TableDraft) {
    this.#draft = draft
  }

  /** What a logged packet's prefix stands for. */
  told(prefix: string): Told | undefined {
    return this.#told.get(prefix)
  }

  acquire(tellers: readonly Teller[]): void {
    for (const teller of tellers) {
      const { name } = teller.chain
      if (!this.#tellers.add(name, teller)) continue
      this.#told.set(name, teller.told)
      this.#draft.putChain(teller.chain)
    }
  }

  release(tellers: readonly Teller[]): void {
    for (const { chain: { name } } of tellers) {
      if (!this.#tellers.remove(name)) continue
      this.#told.delete(name)
      this.#draft.dropChain(name)
    }
  }
}

import type { Logger } from '@weft/daemon'
import type { Nft, Transaction } from '@weft/nftables'
import type { FlowTable } from './flow-table.ts'
import type { KubeProxyMetrics } from './kube-proxy-metrics.ts'
import type { ProxyMetrics } from './metrics.ts'
import { forgetFlows, type StalePort } from './stale-flows.ts'

interface CommitterOptions {
  readonly nft: Pick<Nft, 'commit'>
  readonly flows: FlowTable
  readonly logger: Logger
  readonly metrics: Pick<ProxyMetrics, 'writes' | 'staleFlows'>
  readonly upstream: Pick<KubeProxyMetrics, 'deletedFlows'>
}

/** Writes to the kernel, and counts it. */
export class Committer {
  readonly #options: CommitterOptions
  #writes = 0

  constructor(options: CommitterOptions) {
    this.#options = options
  }

  /** Objects and elements written since the start. */
  get writes(): number {
    return this.#writes
  }

  commit(transaction: Transaction): void {
    if (transaction.isEmpty) return
    const { nft, metrics, logger } = this.#options
    nft.commit(transaction)
    const written = countWrites(transaction)
    this.#writes += written
    metrics.writes.inc(written)
    logger.debug({ written }, 'services committed')
  }

  /** One after the other, with a pause in which others may run after each. */
  *committing(pieces: Iterable<Transaction>): Generator<void, void> {
    for (const piece of pieces) {
      this.commit(piece)
      yield
    }
  }

  /** Deletes the entries of conntrack that would go on to where nobody answers. */
  forget(stale: readonly StalePort[]): void {
    if (stale.length === 0) return
    const { flows, metrics, upstream } = this.#options
    const forgotten = forgetFlows(flows, stale)
    metrics.staleFlows.inc(forgotten)
    upstream.deletedFlows.inc(forgotten)
  }
}

/** Elements count one by one: a batch of a thousand is a thousand writes. */
function countWrites({ operations }: Transaction): number {
  return operations.reduce((sum, operation) => sum + (operation.object === 'element' ? operation.elements.length : 1), 0)
}

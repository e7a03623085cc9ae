import type { Clock, Logger } from '@weft/daemon'
import type { Nft } from '@weft/nftables'

interface EditWatch {
  readonly nft: Nft
  /** Name of one of our tables. */
  readonly table: string
  /** Compares the table whole. */
  readonly recheck: () => void
  readonly clock: Clock
  readonly logger: Logger
}

/** Edits come in bursts (`nft flush ruleset` is hundreds): one comparison is enough for what arrives within that time, in milliseconds. */
const settleMs = 20

/**
 * Notices when another program edits a table of ours, by the kernel's own events, and has it compared. Nothing is polled,
 * and what this process commits itself is no edit.
 */
export async function watchForeignEdits({ nft, table, recheck, clock, logger }: EditWatch, signal: AbortSignal): Promise<void> {
  let pending: Promise<void> | undefined
  for await (const event of await nft.watch({ family: 'inet', name: table }, { signal })) {
    pending ??= clock.sleep(settleMs, { signal }).then(() => {
      pending = undefined
      // An overrun lost events: what they said can only be found by looking.
      logger.warn({ table, edit: event === 'overrun' ? event : `${event.verb} ${event.object} ${event.name}` }, 'table edited by another program')
      recheck()
    }, () => undefined)
  }
}

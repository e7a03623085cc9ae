import { tables } from '@weft/api'
import { backoff, type Clock, type Logger } from '@weft/daemon'
import type { Nft } from '@weft/nftables'

export interface FollowEditsOptions {
  readonly nft: Pick<Nft, 'watch'>
  /** Called for every edit of our table by another program, and when edits may have been missed. */
  readonly recheck: () => void
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
}

/**
 * Follows what other programs change in our table, until aborted. Only events that name it count: the kernel's generation id moves with
 * every commit of every program. Should the subscription break, it is made anew, and the table is checked for what was missed.
 */
export async function followEdits({ nft, recheck, clock, logger, signal }: FollowEditsOptions): Promise<void> {
  const wait = backoff({ baseMs: 100, maxMs: 30_000 })
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    try {
      const events = await nft.watch({ family: 'inet', name: tables.proxy }, { signal })
      if (!isFirst) recheck()
      for await (const event of events) {
        wait.reset()
        logger.debug(event === 'overrun' ? { event } : { ...event }, 'table edited by another program')
        recheck()
      }
    } catch (error) {
      if (signal.aborted) return
      logger.warn({ err: error }, 'cannot follow edits of the table')
    }
    if (!signal.aborted) await clock.sleep(wait.next(), { signal }).catch(() => undefined)
  }
}

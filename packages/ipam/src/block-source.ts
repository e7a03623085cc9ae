import { type Clock, type Logger, Reconciler } from '@weft/daemon'
import type { IpBlock, NodeName } from '@weft/api'
import { type Family, formatCidr } from '@weft/ip'
import type { KubeClient } from '@weft/kube'
import { claimBlock, listOwnBlocks } from './block-claim.ts'
import type { RangeSink, RangeSource } from '@weft/allocator'
import type { OnRefused } from './refusals.ts'

interface BlockSourceOptions {
  readonly nodeName: NodeName
  readonly kube: KubeClient
  readonly sink: RangeSink
  /** Families with too few free addresses, primary family first. */
  readonly short: () => readonly Family[]
  /** Told of every pool or block that cannot be used. */
  readonly refuse: OnRefused
  readonly resyncMs: number
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * Ranges are blocks this node owns. One is taken ahead of need, so that no ADD waits for the API server; only when pods
 * come faster than that does one wait.
 */
export function blockSource({ nodeName, kube, sink, short, refuse, resyncMs, clock, logger }: BlockSourceOptions): RangeSource {
  let noBlock: string | undefined

  async function resync(signal: AbortSignal): Promise<void> {
    const options = { signal, refuse }
    let own: readonly IpBlock[] = await listOwnBlocks(kube, nodeName, options)
    const tell = (): void => sink(own.filter((block) => !block.deleting).sort(byRange).map((block) => block.cidr))
    tell()
    noBlock = undefined
    for (const family of short()) {
      const claimed = await claimBlock(kube, nodeName, family, options)
      if (claimed === undefined) {
        noBlock = 'no IPPool has a free block; make another one, or a larger one'
        logger.warn({ family }, 'no free block in any pool')
        continue
      }
      logger.info({ block: formatCidr(claimed.cidr), pool: claimed.pool }, 'block claimed')
      own = [...own, claimed]
      tell()
    }
  }

  const reconciler = new Reconciler({ name: 'ipam-blocks', reconcile: resync, clock, logger, maxIntervalMs: resyncMs })
  return {
    mode: 'blocks',
    get trouble() {
      return reconciler.fault ?? noBlock
    },
    run: (signal) => reconciler.run(signal),
    low: () => reconciler.trigger(),
    async grow(_family, signal) {
      await Promise.race([reconciler.settled(), aborted(signal)])
    },
  }
}

function byRange(a: IpBlock, b: IpBlock): number {
  return a.cidr.family - b.cidr.family || (a.cidr.bits < b.cidr.bits ? -1 : 1)
}

/** Rejects when the signal fires, so that a caller with a deadline never waits for an API server that is away. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = (): void => reject(signal.reason)
    if (signal.aborted) fail()
    else signal.addEventListener('abort', fail, { once: true })
  })
}

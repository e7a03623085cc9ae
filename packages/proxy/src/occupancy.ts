import { type NodeName, tables } from '@weft/api'
import type { Clock, Logger, Registry } from '@weft/daemon'
import type { EventRecorder } from '@weft/kube'
import type { InTurns, SetOccupancy, TableName } from '@weft/nftables'
import type { Sysctls } from './conntrack-settings.ts'
import { inTurns } from './in-turns.ts'
import { occupancyRatio } from './metrics.ts'
import { nodeTarget } from './serve-health.ts'

/** What tells how full tables are; `NftSocket` of the nftables package is one. */
export interface FilledTables {
  occupancy(family: TableName['family'], name: string, run: InTurns): Promise<readonly SetOccupancy[]>
}

export interface OccupancyOptions {
  readonly nft: FilledTables
  readonly sysctls: Pick<Sysctls, 'read'>
  readonly nodeName: NodeName
  readonly recorder: Pick<EventRecorder, 'record'>
  readonly registry: Registry
  readonly clock: Clock
  readonly logger: Logger
}

const intervalMs = 30_000
/** Told above the first, and again only after it was below the second. */
const nearRatio = 0.8
const farRatio = 0.7

const conntrack = { count: 'net.netfilter.nf_conntrack_count', max: 'net.netfilter.nf_conntrack_max' } as const

/** What happens when each of them is full, and what to do before. */
const advice: Readonly<Record<string, string>> = {
  conntrack: 'when it is full new connections are dropped; raise proxy.conntrack.min or find out who opens so many',
  affinity: 'when it is full new clients are served without session affinity; raise proxy.affinityClients',
}

/**
 * Tells how full those tables are that have an end: clients of session affinity and the connections that the kernel remembers. All other maps of ours
 * grow as long as the kernel has memory. A table that gets near its end is told by a line in the log and an Event on the node, until aborted.
 */
export async function followOccupancy({ nft, sysctls, nodeName, recorder, registry, clock, logger }: OccupancyOptions, signal: AbortSignal): Promise<void> {
  const ratios = occupancyRatio(registry)
  const near = new Set<string>()
  const tell = ({ name, count, size }: SetOccupancy): void => {
    const ratio = size === 0 ? 0 : count / size
    ratios.set({ table: name }, ratio)
    if (ratio < farRatio) near.delete(name)
    if (ratio < nearRatio || near.has(name)) return
    near.add(name)
    logger.warn({ table: name, count, size }, 'table is nearly full')
    recorder.record(nodeTarget(nodeName), 'Warning', { reason: 'NearlyFull', message: `Table "${name}" has ${count} of at most ${size} entries: ${advice[name.replace(/\d$/, '')] ?? 'make it larger'}` })
  }
  while (!signal.aborted) {
    try {
      for (const occupancy of await nft.occupancy('inet', tables.proxy, (work) => inTurns(work, { clock, signal }))) tell(occupancy)
      const { [conntrack.count]: count, [conntrack.max]: size } = await sysctls.read(Object.values(conntrack))
      tell({ name: 'conntrack', count: Number(count), size: Number(size) })
    } catch (error) {
      logger.debug({ err: error }, 'cannot tell how full tables are')
    }
    await clock.sleep(intervalMs, { signal }).catch(() => undefined)
  }
}

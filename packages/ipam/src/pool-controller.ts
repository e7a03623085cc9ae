import { type IpBlock, ipBlockResource, type IpPool, ipPoolResource, type Node, type NodeName } from '@weft/api'
import { type Clock, type Logger, Reconciler, type Registry } from '@weft/daemon'
import { cidrContains, formatCidr, parseCidr } from '@weft/ip'
import { isAlreadyExists, isConflict, isNotFound, type KubeClient, type Store } from '@weft/kube'
import { withoutOverlap } from './block-claim.ts'
import type { PoolControllerConfig } from './config.ts'
import { createPoolControllerMetrics } from './metrics.ts'
import { type OnRefused, tellOnce } from './refusals.ts'

export interface PoolControllerDeps {
  readonly config: PoolControllerConfig
  readonly kube: KubeClient
  readonly nodes: Store<Node>
  readonly pools: Store<IpPool>
  readonly blocks: Store<IpBlock>
  /** Told once per version of every pool that no node takes blocks from because it overlaps another, e.g. to record an Event on it. */
  readonly onRefused?: OnRefused | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly registry: Registry
}

export interface PoolController {
  run(signal: AbortSignal): Promise<void>
  readonly ready: boolean
  /** Pools, blocks and owners as a table. */
  dump(): string
}

/**
 * Creates the configured pools where they are missing and collects blocks of nodes that are gone. A node counts as gone
 * after two sightings at least `nodeGrace` apart and a last look at the API itself just before; a mistake there would give
 * one address to two pods.
 */
export function createPoolController({ config, kube, nodes, pools, blocks, onRefused, clock, logger, registry }: PoolControllerDeps): PoolController {
  const refuse = tellOnce({ logger, onRefused })
  const metrics = createPoolControllerMetrics(registry)
  /** When a block's owner was first missed, in monotonic milliseconds. */
  const missedSince = new Map<string, number>()

  async function createPools(signal: AbortSignal): Promise<void> {
    for (const { name, cidr, blockPrefix } of config.pools) {
      if (pools.has(name)) continue
      const range = parseCidr(cidr)
      // Where the cluster assigns podCIDRs out of the same range, blocks would be handed out twice.
      const assigned = [...nodes.values()].find((node) => node.podCidrs.some((other) => other.family === range.family && (cidrContains(range, other) || cidrContains(other, range))))
      if (assigned !== undefined) {
        logger.debug({ pool: name, node: assigned.name }, 'pool not created: the cluster assigns podCIDRs from its range')
        continue
      }
      try {
        const spec = blockPrefix === undefined ? { cidr } : { cidr, blockPrefix }
        await kube.request('POST', ipPoolResource.path, { body: { apiVersion: ipPoolResource.apiVersion, kind: ipPoolResource.kind, metadata: { name }, spec }, signal })
        logger.info({ pool: name, cidr }, 'pool created')
      } catch (error) {
        if (!isAlreadyExists(error)) throw error
      }
    }
  }

  async function collect(signal: AbortSignal): Promise<void> {
    const now = clock.now()
    for (const block of blocks.values()) {
      if (block.node === undefined || nodes.has(block.node)) {
        missedSince.delete(block.name)
        continue
      }
      const since = missedSince.get(block.name)
      if (since === undefined) missedSince.set(block.name, now)
      else if (now - since >= config.nodeGrace && await nodeIsGone(block.node, signal)) {
        await removeBlock(block, signal)
        missedSince.delete(block.name)
      }
    }
    for (const name of missedSince.keys()) if (!blocks.has(name)) missedSince.delete(name)
  }

  async function nodeIsGone(name: NodeName, signal: AbortSignal): Promise<boolean> {
    try {
      await kube.request('GET', `/api/v1/nodes/${encodeURIComponent(name)}`, { signal })
      return false
    } catch (error) {
      if (isNotFound(error)) return true
      throw error
    }
  }

  async function removeBlock(block: IpBlock, signal: AbortSignal): Promise<void> {
    try {
      // The preconditions make this a compare-and-delete: a block that found a new owner meanwhile stays.
      await kube.request('DELETE', `${ipBlockResource.path}/${block.name}`, { body: { apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid: block.uid, resourceVersion: block.resourceVersion } }, signal })
      metrics.collected.inc()
      logger.info({ block: formatCidr(block.cidr), node: block.node }, 'block of a vanished node collected')
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error
    }
  }

  const reconciler = new Reconciler({
    name: 'ipam-pools',
    clock,
    logger,
    maxIntervalMs: config.interval,
    reconcile: async (signal) => {
      await Promise.all([nodes.whenSynced(signal), pools.whenSynced(signal), blocks.whenSynced(signal)])
      withoutOverlap(pools.values(), refuse)
      await createPools(signal)
      await collect(signal)
    },
  })
  return {
    run: (signal) => reconciler.run(signal),
    get ready() {
      return reconciler.ready
    },
    dump: () => [
      ...[...pools.values()].map((pool) => `pool ${pool.name} ${formatCidr(pool.cidr)}${pool.disabled ? ' disabled' : ''}`),
      ...[...blocks.values()].map((block) => `block ${formatCidr(block.cidr)} ${block.pool} ${block.node ?? '-'}`),
    ].sort().map((line) => `${line}\n`).join(''),
  }
}

import type { Clock, Logger } from '@weft/daemon'
import type { Node, NodeName } from '@weft/api'
import { type KubeClient, type Store, troubleOf } from '@weft/kube'
import { listOwnBlocks, listPools } from './block-claim.ts'
import type { RangeSource } from '@weft/allocator'
import type { OnRefused } from './refusals.ts'
import { messageOf } from '@weft/daemon/message-of'

interface AutoOptions {
  readonly nodeName: NodeName
  readonly nodes: Store<Node>
  readonly kube: KubeClient
  readonly nodeCidr: RangeSource
  readonly blocks: RangeSource
  /** Told of every pool or block that cannot be used. */
  readonly refuse: OnRefused
  /** How long a node may be without podCIDRs before pools are used. */
  readonly graceMs: number
  readonly clock: Clock
  readonly logger: Logger
}

const retryMs = 2000

/**
 * node-cidr where the cluster assigns podCIDRs (kind, kubeadm), blocks elsewhere. A new node gets its podCIDRs a moment
 * after it appears, so blocks are used only after a grace period, or at once if this node owns some already.
 */
export function autoSource({ nodeName, nodes, kube, nodeCidr, blocks, refuse, graceMs, clock, logger }: AutoOptions): RangeSource {
  let chosen: RangeSource | undefined
  let trouble: string | undefined

  async function choose(signal: AbortSignal): Promise<RangeSource> {
    await nodes.whenSynced(signal)
    const until = clock.now() + graceMs
    const options = { signal, refuse }
    for (;;) {
      if ((nodes.get(nodeName)?.podCidrs.length ?? 0) > 0) return nodeCidr
      try {
        if ((await listOwnBlocks(kube, nodeName, options)).length > 0) return blocks
        const pools = await listPools(kube, options)
        if (clock.now() >= until && pools.length > 0) return blocks
        trouble = pools.length > 0 ? undefined : `node "${nodeName}" has no podCIDRs, and there is no IPPool; give the cluster a range for pods (kubeadm \`--pod-network-cidr\`), or make an IPPool`
      } catch (error) {
        signal.throwIfAborted()
        trouble = troubleOf('ippools and ipblocks', error)
        logger.debug({ error: messageOf(error) }, 'pools not readable yet')
      }
      await clock.sleep(retryMs, { signal })
    }
  }

  return {
    get mode() {
      return chosen?.mode ?? 'auto'
    },
    get trouble() {
      return chosen === undefined ? trouble : chosen.trouble
    },
    async run(signal) {
      try {
        chosen = await choose(signal)
      } catch (error) {
        if (signal.aborted) return
        throw error
      }
      logger.info({ mode: chosen.mode }, 'address ranges chosen')
      await chosen.run(signal)
    },
    grow: async (family, signal) => await chosen?.grow(family, signal),
    low: () => chosen?.low(),
  }
}

import { Allocator } from '@weft/allocator'
import type { Node, NodeName } from '@weft/api'
import type { Clock, Logger, Registry } from '@weft/daemon'
import type { Cidr } from '@weft/ip'
import type { KubeClient, Store } from '@weft/kube'
import { autoSource } from './auto-source.ts'
import { blockSource } from './block-source.ts'
import type { IpamConfig } from './config.ts'
import { nodeCidrSource } from './node-cidr-source.ts'
import { type OnRefused, tellOnce } from './refusals.ts'

export interface IpamDeps {
  readonly config: IpamConfig
  readonly nodeName: NodeName
  readonly nodes: Store<Node>
  /** Only modes `auto` and `blocks` use it. */
  readonly kube: KubeClient
  /** Told once per version of every pool or block that cannot be used, e.g. to record an Event on it. */
  readonly onRefused?: OnRefused | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly registry: Registry
}

/**
 * Opens the allocator of a node with the range source its configuration names.
 *
 * @throws {IpamError} ERR_IPAM_STORE if the store cannot be opened.
 */
export async function createIpam(deps: IpamDeps): Promise<Allocator> {
  const { config, nodeName, nodes, kube, clock, logger, registry } = deps
  const { storePath, lowWater, cooldown } = config
  const ipam = await Allocator.open({ storePath, lowWater, cooldownMs: cooldown, now: () => clock.now(), logger, registry })
  const refuse = tellOnce(deps)
  const sink = (cidrs: readonly Cidr[]): void => ipam.setRanges(cidrs)
  const nodeCidr = nodeCidrSource({ nodeName, nodes, sink })
  const blocks = blockSource({ nodeName, kube, sink, short: () => ipam.short(), refuse, resyncMs: config.resync, clock, logger })
  switch (config.mode) {
    case 'node-cidr':
      ipam.follow(nodeCidr)
      break
    case 'blocks':
      ipam.follow(blocks)
      break
    case 'auto':
      ipam.follow(autoSource({ nodeName, nodes, kube, nodeCidr, blocks, refuse, graceMs: config.autoGrace, clock, logger }))
      break
    default:
      config.mode satisfies never
  }
  return ipam
}

import type { IpBlock, Node } from '@weft/api'
import { aggregateCidrs, type Cidr, type IpAddress } from '@weft/ip'
import type { OverlayModel, OverlayNode, Uplink } from './model.ts'

/** What the cluster's objects say, before the kernel is asked about the uplink. */
export interface OverlayNodes {
  readonly self: OverlayNode
  readonly peers: readonly OverlayNode[]
}

/**
 * Folds Node and IPBlock objects into the overlay's view. Pure.
 *
 * @returns Undefined while this node has no address: nothing can be said about paths then.
 */
export function watchNodes(selfName: string, nodes: Iterable<Node>, blocks: Iterable<IpBlock>): OverlayNodes | undefined {
  const blocksByNode = Map.groupBy(blocks, (block) => block.node)
  const all = [...nodes].map((node): OverlayNode => ({
    name: node.name,
    ips: firstOfEachFamily(node.internalIps),
    podCidrs: podCidrsOf(node, blocksByNode.get(node.name) ?? []),
  }))
  const self = all.find(({ name }) => name === selfName)
  if (self === undefined || self.ips.length === 0) return undefined
  return {
    self,
    peers: all.filter((node) => node !== self && node.ips.length > 0).sort((a, b) => (a.name < b.name ? -1 : 1)),
  }
}

export function modelOf(nodes: OverlayNodes, uplink: Uplink): OverlayModel {
  return { ...nodes, uplink }
}

/** Ranges the cluster gave the node, and blocks it took from pools; adjacent ones become one route. */
function podCidrsOf(node: Node, blocks: readonly IpBlock[]): readonly Cidr[] {
  return aggregateCidrs([...node.podCidrs, ...blocks.map(({ cidr }) => cidr)])
}

function firstOfEachFamily(ips: readonly IpAddress[]): readonly IpAddress[] {
  return ([4, 6] as const).flatMap((family) => ips.find((ip) => ip.family === family) ?? [])
}

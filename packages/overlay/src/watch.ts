import type { IpBlock, Node, NodeName } from '@weft/api'
import { aggregateCidrs, type Cidr, cidrContains, formatCidr, formatIp, type IpAddress, PrefixTrie } from '@weft/ip'
import type { OverlayModel, OverlayNode, OverlayNodes, Refusal, Uplink } from './model.ts'
import { type RangeClaim, settleClaims } from './range-claims.ts'

/**
 * Folds Node and IPBlock objects into the overlay's view. Pure, and equal objects give equal views in whatever order they come.
 *
 * @returns Undefined while this node has no address: nothing can be said about paths then.
 */
export function watchNodes(selfName: NodeName, nodes: Iterable<Node>, blocks: Iterable<IpBlock>): OverlayNodes | undefined {
  const ordered = [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1))
  const { ranges, refusals } = settleClaims(claimsOf(ordered, blocks))
  const all = ordered.map((node): OverlayNode => ({ name: node.name, ips: firstOfEachFamily(node.internalIps), podCidrs: ranges.get(node.name) ?? [] }))
  const checked = withoutStolenAddresses(all, selfName)
  const self = checked.nodes.find(({ name }) => name === selfName)
  if (self === undefined || self.ips.length === 0) return undefined
  return {
    self,
    peers: checked.nodes.filter((node) => node !== self && node.ips.length > 0),
    refusals: [...refusals, ...checked.refusals],
  }
}

/** Adds what only this machine knows: its uplink. A range that holds the uplink's own network would cut the node off. */
export function modelOf(nodes: OverlayNodes, uplink: Uplink): OverlayModel {
  const refusals = [...nodes.refusals]
  const clean = (node: OverlayNode): OverlayNode => {
    const podCidrs = node.podCidrs.filter((range) => {
      const network = uplink.networks.find((each) => cidrContains(range, each))
      if (network !== undefined) refusals.push(refuse(node, range, `holds ${formatCidr(network)}, the network of link "${uplink.name}"`))
      return network === undefined
    })
    // Adjacent ranges become one route.
    return { ...node, podCidrs: aggregateCidrs(podCidrs) }
  }
  return { self: clean(nodes.self), peers: nodes.peers.map(clean), refusals, uplink }
}

/** Ranges the cluster gave each node, and blocks nodes took from pools. */
function* claimsOf(nodes: readonly Node[], blocks: Iterable<IpBlock>): Generator<RangeClaim> {
  const names = new Set<NodeName>()
  for (const { name, podCidrs } of nodes) {
    names.add(name)
    for (const range of podCidrs) yield { node: name, range, origin: 'assigned' }
  }
  for (const { node, cidr } of blocks) if (node !== undefined && names.has(node)) yield { node, range: cidr, origin: 'block' }
}

/**
 * Takes addresses away that are a pod's, or another node's already: routes to them would catch traffic of others. This node
 * knows its own address best; among the others the name that sorts first keeps it. A range that holds its own node goes.
 */
function withoutStolenAddresses(nodes: readonly OverlayNode[], selfName: NodeName): { readonly nodes: readonly OverlayNode[], readonly refusals: readonly Refusal[] } {
  const refusals: Refusal[] = []
  const sane = nodes.map((node): OverlayNode => ({
    ...node,
    podCidrs: node.podCidrs.filter((range) => {
      const inside = node.ips.find((ip) => cidrContains(range, ip))
      if (inside !== undefined) refusals.push(refuse(node, range, `holds ${formatIp(inside)}, the address of its own node`))
      return inside === undefined
    }),
  }))
  const pods = new PrefixTrie<string>()
  for (const { name, podCidrs } of sane) for (const range of podCidrs) pods.set(range, name)
  const taken = new Map<string, NodeName>()
  for (const { name, ips } of sane) if (name === selfName) for (const ip of ips) taken.set(formatIp(ip), name)
  const kept = sane.map((node): OverlayNode => ({
    ...node,
    ips: node.ips.filter((ip) => {
      const text = formatIp(ip)
      const podsOf = pods.lookup(ip)?.value
      const holder = taken.get(text) ?? node.name
      const reason = podsOf !== undefined ? `is in the pod range of node "${podsOf}"` : holder !== node.name ? `is the address of node "${holder}"` : undefined
      if (reason === undefined) taken.set(text, node.name)
      else refusals.push({ node: node.name, what: `address ${text}`, reason })
      return reason === undefined
    }),
  }))
  return { nodes: kept, refusals }
}

function refuse({ name }: OverlayNode, range: Cidr, reason: string): Refusal {
  return { node: name, what: `range ${formatCidr(range)}`, reason }
}

function firstOfEachFamily(ips: readonly IpAddress[]): readonly IpAddress[] {
  return ([4, 6] as const).flatMap((family) => ips.find((ip) => ip.family === family) ?? [])
}

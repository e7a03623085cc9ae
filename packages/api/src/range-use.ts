import { type Cidr, cidrContains, cidrSize, compareCidr, firstIp, formatCidr, formatIp, hostCidr } from '@weft/ip'
import type { Node } from './node.ts'

/** Who has the addresses of a range; a node has each of its own alone. */
export interface RangeUse {
  readonly kind: 'pods' | 'services' | 'node' | 'pool'
  /** Of the node or the pool. */
  readonly name?: string | undefined
  readonly cidr: Cidr
}

/** Two that have addresses in common: of two ranges that share one, one holds the other. */
export interface Overlap {
  readonly outer: RangeUse
  readonly inner: RangeUse
}

/** What a node has: addresses of its own, and ranges that it gives to pods. */
export function usesOfNode({ name, internalIps, podCidrs }: Pick<Node, 'name' | 'internalIps' | 'podCidrs'>): readonly RangeUse[] {
  return [...internalIps.map((ip): RangeUse => ({ kind: 'node', name, cidr: hostCidr(ip) })), ...podCidrs.map((cidr): RangeUse => ({ kind: 'pods', name, cidr }))]
}

/** What to do about overlapping ranges, wherever they are found. */
export const apartRemedy = 'make the cluster with ranges that are apart: kubeadm `--pod-network-cidr` and `--service-cidr`, kind `podSubnet` and `serviceSubnet`, or the `cidr` of the IPPool; none may hold an address of a node'

/** All overlaps between different owners, in order of addresses. One pass: thousands of nodes are compared in no time. */
export function overlapsOf(uses: Iterable<RangeUse>): readonly Overlap[] {
  const overlaps: Overlap[] = []
  /** Each holds the next, and the last one the range that is looked at. */
  const around: RangeUse[] = []
  for (const inner of [...uses].sort((a, b) => compareCidr(a.cidr, b.cidr))) {
    while (around.length > 0 && !cidrContains(around.at(-1)!.cidr, inner.cidr)) around.pop()
    for (const outer of around) if (outer.kind !== inner.kind || outer.name !== inner.name) overlaps.push({ outer, inner })
    around.push(inner)
  }
  return overlaps
}

/** e.g. `10.96.1.0/24 of pods on node "n1" overlaps 10.96.0.0/12 of Services`. */
export function formatOverlap({ outer, inner }: Overlap): string {
  const verb = inner.kind === 'node' ? 'is in' : 'overlaps'
  return `${formatUse(inner)} ${verb} ${formatUse(outer)}`
}

function formatUse({ kind, name, cidr }: RangeUse): string {
  const range = cidrSize(cidr) === 1n ? formatIp(firstIp(cidr)) : formatCidr(cidr)
  switch (kind) {
    case 'pods': return `${range} of pods on node "${name}"`
    case 'services': return `${range} of Services`
    case 'node': return `${range} of node "${name}"`
    case 'pool': return `${range} of pool "${name}"`
    default: return kind satisfies never
  }
}

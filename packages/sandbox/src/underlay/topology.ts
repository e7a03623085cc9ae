import { SandboxError } from '../errors.ts'

/** Address families of the cluster; `dual` has both, IPv4 first. */
export type AddressFamilies = 'ipv4' | 'ipv6' | 'dual'

/** One end of a link with its addresses, as text: `172.30.1.11/24`. */
export interface Station {
  readonly addresses: readonly string[]
  /** Default routers, at most one per family. */
  readonly gateways: readonly string[]
}

type SegmentName = 'a' | 'b' | 'outside'

export interface Segment {
  readonly name: SegmentName
  /** Name of the bridge in the sandbox's own network namespace. */
  readonly bridge: string
  readonly networks: readonly string[]
  /** The router's addresses on it, with prefix. */
  readonly router: readonly string[]
}

export interface UnderlayNode extends Station {
  readonly name: string
  readonly segment: 'a' | 'b'
}

/** Who is where in the underlay; pure data, see {@link planTopology}. */
export interface Topology {
  readonly family: AddressFamilies
  readonly segments: readonly Segment[]
  readonly nodes: readonly UnderlayNode[]
  /** The sandbox's own namespace on segment A: the API server listens here. */
  readonly control: Station
  /** The client, and the echo server, behind the router. */
  readonly outside: Station
  /** Networks that the router sends to the nodes, all alike: addresses for Services of type LoadBalancer. */
  readonly loadBalancers: readonly string[]
}

/** Ranges of the cluster, as a Kubernetes installer would set them. */
export const clusterRanges = {
  pods: { ipv4: '10.244.0.0/16', ipv6: 'fd00:10:244::/56' },
  services: { ipv4: '10.96.0.0/16', ipv6: 'fd00:10:96::/112' },
  dnsService: { ipv4: '10.96.0.10', ipv6: 'fd00:10:96::a' },
  /** Routed to the nodes by the underlay's router. */
  loadBalancers: { ipv4: '198.51.100.0/24', ipv6: '2001:db8:51::/64' },
  kubernetesService: { ipv4: '10.96.0.1', ipv6: 'fd00:10:96::1' },
} as const

/** Port of the API server on the underlay. */
export const apiServerPort = 6443

/** Picks the values of the families in use, in their order. */
export function ofFamilies<T>(family: AddressFamilies, values: { readonly ipv4: T, readonly ipv6: T }): T[] {
  switch (family) {
    case 'ipv4': return [values.ipv4]
    case 'ipv6': return [values.ipv6]
    case 'dual': return [values.ipv4, values.ipv6]
    default: return family satisfies never
  }
}

const plans = {
  a: { ipv4: '172.30.1.', ipv6: 'fd00:172:30:1::', prefix4: 24, prefix6: 64 },
  b: { ipv4: '172.30.2.', ipv6: 'fd00:172:30:2::', prefix4: 24, prefix6: 64 },
  outside: { ipv4: '203.0.113.', ipv6: '2001:db8:113::', prefix4: 24, prefix6: 64 },
} as const

const mostNodes = 64

/**
 * Plans the underlay: two segments and an outside network, joined by a router.
 *
 * Nodes n1 and n2 share segment A, n3 is alone on B (two nodes: one on each); further nodes fill B and A by turns,
 * so that every cluster of two or more has a way that must be routed.
 *
 * @throws {SandboxError} `ERR_SANDBOX_TOPOLOGY` for a number of nodes it cannot address.
 */
export function planTopology(nodeCount: number, family: AddressFamilies): Topology {
  if (!Number.isInteger(nodeCount) || nodeCount < 1 || nodeCount > mostNodes) {
    throw new SandboxError('ERR_SANDBOX_TOPOLOGY', `Cannot plan a sandbox of "${nodeCount}" nodes: 1 to ${mostNodes} are possible`)
  }
  const address = (segment: SegmentName, host: number): string[] =>
    ofFamilies(family, { ipv4: `${plans[segment].ipv4}${host}/${plans[segment].prefix4}`, ipv6: `${plans[segment].ipv6}${host}/${plans[segment].prefix6}` })
  const bare = (addresses: readonly string[]): string[] => addresses.map(withoutPrefix)
  const station = (segment: SegmentName, host: number): Station => ({ addresses: address(segment, host), gateways: bare(address(segment, 1)) })
  return {
    family,
    segments: (['a', 'b', 'outside'] as const).map((name) => ({
      name,
      bridge: name === 'outside' ? 'outside' : `segment-${name}`,
      networks: ofFamilies(family, { ipv4: `${plans[name].ipv4}0/${plans[name].prefix4}`, ipv6: `${plans[name].ipv6}/${plans[name].prefix6}` }),
      router: address(name, 1),
    })),
    nodes: Array.from({ length: nodeCount }, (_, index) => {
      const segment = segmentOf(index, nodeCount)
      return { name: `n${index + 1}`, segment, ...station(segment, 11 + index) }
    }),
    control: station('a', 250),
    outside: station('outside', 10),
    loadBalancers: ofFamilies(family, clusterRanges.loadBalancers),
  }
}

/** `10.0.0.1/24` -> `10.0.0.1` */
export function withoutPrefix(address: string): string {
  return address.slice(0, address.indexOf('/'))
}

function segmentOf(index: number, nodeCount: number): 'a' | 'b' {
  if (nodeCount === 2) return index === 0 ? 'a' : 'b'
  if (index < 2) return 'a'
  if (index === 2) return 'b'
  return index % 2 === 1 ? 'b' : 'a'
}

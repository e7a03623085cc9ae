// What becomes of a new connection, one row each: run through the rules of the fake in milliseconds (verdicts.test.ts), and sent through the kernel (verdicts.kernel.test.ts).
import { type EndpointShape, node, type PortShape, service, slice } from './cluster.ts'

/** Where a connection begins: a pod of this node, one of its backends, a pod of another node, the node itself, or a machine outside of the cluster. */
export type Origin = 'client' | 'b1' | 'b2' | 'node' | 'outside'

export interface Verdict {
  /** Begins with the behaviours it proves. */
  readonly title: string
  readonly from: Origin
  /** IPv4; {@link sixOf} has the other. */
  readonly host: string
  readonly port: number
  /** All that may come out: `b1 client` is the backend and whose address it sees, in order. */
  readonly outcome: readonly string[]
}

/** IPv4 addresses of the origins. `there` is another node. */
export const addresses: Readonly<Record<Origin, string>> = { client: '10.244.0.9', b1: '10.244.0.5', b2: '10.244.1.7', node: '172.30.1.11', outside: '172.30.1.99' }

/** The IPv6 address that stands where an IPv4 address does. */
export function sixOf(host: string): string {
  const [, last = ''] = /\.(\d+)$/.exec(host) ?? []
  if (host.startsWith('10.96.0.')) return `fd00:10:96::${last}`
  if (host.startsWith('203.0.113.')) return `2001:db8:cb00:71::${last}`
  if (host.startsWith('10.244.')) return `fd00:10:244${host.startsWith('10.244.1.') ? ':1' : ''}::${last}`
  return `fd00:172:30:1::${last}`
}

const b1: EndpointShape = { ip: addresses.b1, node: 'here' }
const b2: EndpointShape = { ip: addresses.b2, node: 'there' }
const host: EndpointShape = { ip: addresses.node, node: 'here' }
const going = { ready: false, serving: true, terminating: true }
const targets: readonly PortShape[] = [{ name: 't', port: 8080 }, { name: 'u', port: 8080, protocol: 'UDP' }, { name: 's', port: 8080, protocol: 'SCTP' }]

/** Service number `n` has 10.96.0.n, and all kinds of addresses: NodePort 30000 + n, load balancer 203.0.113.n, external IP 203.0.113.(100 + n). */
function serve(n: number, endpoints: readonly EndpointShape[], spec: object = {}): readonly object[] {
  const both = (address: string): readonly string[] => [address, sixOf(address)]
  const ports: readonly PortShape[] = [{ name: 't', port: 80, nodePort: 30_000 + n }, { name: 'u', port: 80, protocol: 'UDP', nodePort: 30_000 + n }, { name: 's', port: 80, protocol: 'SCTP', nodePort: 30_000 + n }]
  const key = `shop/s${n}`
  return [
    service(key, both(`10.96.0.${n}`), { type: 'LoadBalancer', ports, balancers: both(`203.0.113.${n}`), externalIPs: both(`203.0.113.${100 + n}`), ...spec }),
    slice(key, endpoints, { ports: targets }), slice(key, endpoints.map((endpoint) => ({ ...endpoint, ip: sixOf(endpoint.ip) })), { ports: targets, suffix: '6' }),
  ]
}

export const verdictConfig: object = { serviceCidrs: ['10.96.0.0/16', 'fd00:10:96::/112'], externalIps: ['203.0.113.0/24', '2001:db8:cb00:71::/64'] }

export const verdictCluster: readonly object[] = [
  node('here'), node('there', { ips: ['172.30.1.12', 'fd00:172:30:1::12'], podCidrs: ['10.244.1.0/24', 'fd00:10:244:1::/64'] }),
  ...serve(1, [b1, b2]),
  ...serve(2, [b2]),
  ...serve(3, [b1, b2], { externalTrafficPolicy: 'Local' }),
  ...serve(4, [b2], { externalTrafficPolicy: 'Local', internalTrafficPolicy: 'Local' }),
  ...serve(5, [b1]),
  ...serve(6, []),
  ...serve(7, [b2], { loadBalancerSourceRanges: ['172.30.1.0/25', 'fd00:172:30:1::/64'] }),
  ...serve(8, [b2], { loadBalancerSourceRanges: ['192.0.2.0/24', '2001:db8:2::/64'] }),
  ...serve(9, [b1, b2], { internalTrafficPolicy: 'Local' }),
  ...serve(10, [host]),
  ...serve(11, [{ ...b1, ...going }], { externalTrafficPolicy: 'Local' }),
  ...serve(12, [{ ...b2, ...going }], { externalTrafficPolicy: 'Local' }),
  ...serve(13, [{ ...b1, ready: false }]),
  ...serve(14, [{ ...b1, ready: true, serving: false, terminating: true }], { publishNotReadyAddresses: true }),
]

const vip = (n: number): { readonly host: string, readonly port: number } => ({ host: `10.96.0.${n}`, port: 80 })
const nodePort = (n: number): { readonly host: string, readonly port: number } => ({ host: '172.30.1.11', port: 30_000 + n })
const balancer = (n: number): { readonly host: string, readonly port: number } => ({ host: `203.0.113.${n}`, port: 80 })
const external = (n: number): { readonly host: string, readonly port: number } => ({ host: `203.0.113.${100 + n}`, port: 80 })
const row = (title: string, from: Origin, to: { readonly host: string, readonly port: number }, ...outcome: readonly string[]): Verdict => ({ title, from, ...to, outcome })

export const verdicts: readonly Verdict[] = [
  row('SVC-19, SVC-41, SVC-42, SVC-58 a pod to a cluster IP is spread over all backends, which see it', 'client', vip(1), 'b1 client', 'b2 client'),
  row('SVC-35, SVC-41 a pod of another node keeps its address, too', 'b2', vip(5), 'b1 b2'),
  row('SVC-57, SVC-58 the node to a cluster IP', 'node', vip(1), 'b1 node', 'b2 node'),
  row('SVC-35 somebody outside of the cluster to a cluster IP gets the address of the node', 'outside', vip(1), 'b1 node', 'b2 node'),
  row('NET-21, NET-22, SVC-20, SVC-35 a pod that meets itself gets the address of the node', 'b1', vip(5), 'b1 node'),
  row('NET-22 a backend that meets another one keeps its own', 'b1', vip(2), 'b2 b1'),
  row('NET-21, SVC-36 a pod that meets itself by a NodePort', 'b1', nodePort(5), 'b1 node'),
  row('NET-21 a pod that meets itself under a Local policy', 'b1', nodePort(11), 'b1 node'),

  row('SVC-36, SVC-66, SVC-72 a NodePort from outside gets the address of the node', 'outside', nodePort(1), 'b1 node', 'b2 node'),
  row('SVC-36, SVC-66 a NodePort from a pod', 'client', nodePort(2), 'b2 node'),
  row('SVC-36, SVC-66 a NodePort from the node', 'node', nodePort(2), 'b2 node'),
  row('SVC-36, LB-2 a load balancer from outside', 'outside', balancer(1), 'b1 node', 'b2 node'),
  row('LB-18 a load balancer may send its clients to any node, also to one without backends of its own', 'outside', balancer(2), 'b2 node'),
  row('LB-18 and to its NodePort', 'outside', nodePort(2), 'b2 node'),
  row('SVC-36, LB-2 a load balancer from a pod stays inside', 'client', balancer(2), 'b2 node'),
  row('SVC-36, LB-2 a load balancer from the node stays inside', 'node', balancer(2), 'b2 node'),
  row('SVC-36, SVC-52 an external IP that no node has, from outside', 'outside', external(1), 'b1 node', 'b2 node'),
  row('SVC-36, SVC-52 an external IP from a pod', 'client', external(2), 'b2 node'),
  row('SVC-52 an external IP from the node', 'node', external(2), 'b2 node'),

  row('SVC-31 a cluster IP of nobody refuses a pod', 'client', vip(6), 'refused'),
  row('SVC-31 a cluster IP of nobody refuses the node', 'node', vip(6), 'refused'),
  row('SVC-31 a cluster IP of nobody refuses the outside', 'outside', vip(6), 'refused'),
  row('SVC-31 a NodePort of nobody refuses', 'outside', nodePort(6), 'refused'),
  row('SVC-31 a NodePort of nobody refuses the node', 'node', nodePort(6), 'refused'),
  row('SVC-31 a load balancer of nobody refuses', 'outside', balancer(6), 'refused'),
  row('SVC-31 an external IP of nobody refuses', 'client', external(6), 'refused'),
  row('SVC-32, SVC-55 endpoints that are not ready are nobody', 'client', vip(13), 'refused'),
  row('SVC-22 a port that the Service does not have refuses a pod', 'client', { host: '10.96.0.1', port: 9 }, 'refused'),
  row('SVC-22 a port that the Service does not have refuses the node', 'node', { host: '10.96.0.1', port: 9 }, 'refused'),
  row('SVC-22 a cluster IP that nobody has drops', 'client', { host: '10.96.0.200', port: 80 }, 'dropped'),
  row('SVC-22 a cluster IP that nobody has drops for the node', 'node', { host: '10.96.0.200', port: 80 }, 'dropped'),

  row('SVC-37, LB-15 externalTrafficPolicy Local: the outside reaches this node alone and is seen, by a NodePort', 'outside', nodePort(3), 'b1 outside'),
  row('SVC-37, LB-2, LB-15 externalTrafficPolicy Local: the outside by a load balancer', 'outside', balancer(3), 'b1 outside'),
  row('SVC-37 externalTrafficPolicy Local: the outside by an external IP', 'outside', external(3), 'b1 outside'),
  row('SVC-38, LB-16, LB-19 externalTrafficPolicy Local: a pod of this node reaches all and is seen', 'client', balancer(3), 'b1 client', 'b2 client'),
  row('SVC-38, LB-16 externalTrafficPolicy Local: the same by a NodePort', 'client', nodePort(3), 'b1 client', 'b2 client'),
  row('SVC-39 externalTrafficPolicy Local: the node reaches all', 'node', balancer(3), 'b1 node', 'b2 node'),
  row('SVC-84 externalTrafficPolicy says nothing about cluster IPs', 'client', vip(3), 'b1 client', 'b2 client'),
  row('SVC-34 externalTrafficPolicy Local without a backend here drops the outside, by a NodePort', 'outside', nodePort(4), 'dropped'),
  row('SVC-34 the same by a load balancer', 'outside', balancer(4), 'dropped'),
  row('SVC-34 and not for pods of this node', 'client', balancer(4), 'b2 client'),
  row('SVC-33, SVC-83 internalTrafficPolicy Local without a backend here drops', 'client', vip(4), 'dropped'),
  row('SVC-33 and for the node', 'node', vip(4), 'dropped'),
  row('SVC-83 internalTrafficPolicy Local keeps to this node', 'client', vip(9), 'b1 client'),
  row('SVC-84 internalTrafficPolicy says nothing about NodePorts', 'outside', nodePort(9), 'b1 node', 'b2 node'),

  row('LB-3 source ranges let in whom they name', 'outside', balancer(7), 'b2 node'),
  row('LB-3, LB-9 source ranges keep the others out', 'outside', balancer(8), 'dropped'),
  row('LB-4 pods are others', 'client', balancer(7), 'dropped'),
  row('LB-3 source ranges say nothing about NodePorts', 'outside', nodePort(8), 'b2 node'),
  row('LB-3 source ranges say nothing about external IPs', 'outside', external(8), 'b2 node'),
  row('LB-3 source ranges say nothing about cluster IPs', 'client', vip(8), 'b2 client'),
  row('LB-4 the node is in its own ranges', 'node', balancer(7), 'b2 node'),
  row('LB-4 and may be out of them', 'node', balancer(8), 'dropped'),

  row('SVC-57 an endpoint on the host network, from a pod', 'client', vip(10), 'node client'),
  row('SVC-57 an endpoint on the host network, from the node', 'node', vip(10), 'node node'),
  row('SVC-80, SVC-82 the last endpoint terminates and serves a pod', 'client', vip(11), 'b1 client'),
  row('SVC-81, SVC-82 the last endpoint terminates and serves the outside under a Local policy', 'outside', nodePort(11), 'b1 outside'),
  row('SVC-82 one that terminates elsewhere does not, under a Local policy', 'outside', nodePort(12), 'dropped'),
  row('SVC-82 and serves pods', 'client', nodePort(12), 'b2 client'),
  row('SVC-55, SVC-56 publishNotReadyAddresses serves whatever its endpoints say', 'client', vip(14), 'b1 client'),
]

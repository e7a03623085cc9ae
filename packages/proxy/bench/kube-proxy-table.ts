import { formatIp } from '@weft/ip'
import { podIp, serviceIp } from './objects.ts'

export const endpointsPerService = 3

/** What kube-proxy's rules are asked for. */
export interface PeerTable {
  readonly services: number
  readonly protocol?: 'tcp' | 'udp'
  /** Addresses of the endpoints of a Service. */
  readonly endpoints?: (service: number) => readonly string[]
  /** Port of the endpoints of a Service. */
  readonly port?: (service: number) => number
}

/** Chains in one piece; nft and the kernel take more than twice as long for twice as many. */
const pieceSize = 1000
/** What kubeadm gives to kube-proxy as its `clusterCIDR`: clients outside of it reach cluster IPs with the node's address, as with us. */
const clusterCidr = '10.244.0.0/16'

/**
 * The rules that kube-proxy 1.36 writes for ClusterIP Services in its nftables mode: a chain and an anonymous map of endpoints per Service. Together they are one
 * table; loaded one after the other they are there in a minute where all at once would take a quarter of an hour.
 */
export function kubeProxyPieces({ services, protocol = 'tcp', endpoints = endpointsOf, port = () => 8080 }: PeerTable): readonly string[] {
  const all = Array.from({ length: services }, (_, service) => service)
  const slices = Array.from({ length: Math.ceil(services / pieceSize) }, (_, index) => all.slice(index * pieceSize, (index + 1) * pieceSize))
  return [
    [
      'table ip kube-proxy {',
      'set cluster-ips { type ipv4_addr; }', 'set nodeport-ips { type ipv4_addr; }', 'set hairpin-connections { type ipv4_addr . ipv4_addr . inet_proto . inet_service; }',
      'map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }', 'map service-nodeports { type inet_proto . inet_service : verdict; }',
      'map firewall-ips { type ipv4_addr . inet_proto . inet_service : verdict; }', 'map no-endpoint-services { type ipv4_addr . inet_proto . inet_service : verdict; }',
      'chain firewall-check {', 'ip daddr . meta l4proto . th dport vmap @firewall-ips', '}',
      'chain service-endpoints-check {', 'ip daddr . meta l4proto . th dport vmap @no-endpoint-services', '}',
      'chain cluster-ips-check {', 'ip daddr @cluster-ips reject', '}',
      'chain services {', `ip daddr @cluster-ips ip saddr != ${clusterCidr} mark set mark or 0x4000`, 'ip daddr . meta l4proto . th dport vmap @service-ips', 'ip daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports', '}',
      'chain masquerading {', 'meta mark & 0x4000 != 0 meta mark set meta mark ^ 0x4000 masquerade fully-random', 'ct status dnat ip saddr . ip daddr . meta l4proto . th dport @hairpin-connections masquerade fully-random', '}',
      'chain filter-prerouting-pre-dnat {', 'type filter hook prerouting priority -110;', 'ct state new jump firewall-check', '}',
      'chain filter-forward {', 'type filter hook forward priority 0;', 'ct state new jump service-endpoints-check', 'ct state new jump cluster-ips-check', '}',
      'chain nat-prerouting {', 'type nat hook prerouting priority dstnat;', 'jump services', '}',
      'chain nat-postrouting {', 'type nat hook postrouting priority srcnat;', 'jump masquerading', '}', '}', '',
    ].join('\n'),
    ...slices.map((slice) => ['table ip kube-proxy {', ...slice.flatMap((service) => [`chain ${serviceChain(service, protocol)} {`, serviceRule(endpoints(service), { protocol, port: port(service) }), '}']), '}', ''].join('\n')),
    [
      `add element ip kube-proxy cluster-ips { ${all.map((service) => formatIp(serviceIp(service))).join(', ')} }`,
      `add element ip kube-proxy service-ips { ${all.map((service) => `${formatIp(serviceIp(service))} . ${protocol} . 80 : goto ${serviceChain(service, protocol)}`).join(', ')} }`, '',
    ].join('\n'),
  ]
}

/** The same as one transaction, as kube-proxy loads them. */
export function kubeProxyTable(peer: PeerTable): string {
  return kubeProxyPieces(peer).join('')
}

/** Another address behind the first endpoint of a Service. */
export function kubeProxyChange(service: number, pod: number): string {
  const chain = serviceChain(service, 'tcp')
  return `flush chain ip kube-proxy ${chain}\nadd rule ip kube-proxy ${chain} ${serviceRule([formatIp(podIp(pod)), ...endpointsOf(service).slice(1)], { protocol: 'tcp', port: 8080 })}\n`
}

function endpointsOf(service: number): readonly string[] {
  return Array.from({ length: endpointsPerService }, (_, index) => formatIp(podIp(service * endpointsPerService + index)))
}

function serviceRule(ips: readonly string[], { protocol, port }: { readonly protocol: 'tcp' | 'udp', readonly port: number }): string {
  return `meta l4proto ${protocol} dnat ip to numgen random mod ${ips.length} map { ${ips.map((ip, index) => `${index} : ${ip} . ${port}`).join(', ')} }`
}

function serviceChain(service: number, protocol: 'tcp' | 'udp'): string {
  return `service-ULMVA6XW-bench/service-${service}/${protocol}/http`
}

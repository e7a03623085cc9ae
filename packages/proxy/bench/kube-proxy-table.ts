import { formatIp } from '@weft/ip'
import { podIp, serviceIp } from './objects.ts'

export const endpointsPerService = 3

/** The rules kube-proxy 1.33 writes for ClusterIP Services in its nftables mode: a chain per Service and one per endpoint. */
export function kubeProxyTable(services: number): string {
  const lines = [
    'table ip kube-proxy {',
    'set cluster-ips { type ipv4_addr; }',
    'map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; }',
    'chain mark-for-masquerade { mark set mark or 0x4000; }',
  ]
  for (let service = 0; service < services; service += 1) {
    const verdicts: string[] = []
    for (let index = 0; index < endpointsPerService; index += 1) {
      lines.push(`chain ${endpointChain(service, index)} {`, ...endpointRules(formatIp(podIp(service * endpointsPerService + index))), '}')
      verdicts.push(`${index} : goto ${endpointChain(service, index)}`)
    }
    lines.push(
      `chain ${serviceChain(service)} {`, `ip daddr ${formatIp(serviceIp(service))} tcp dport 80 ip saddr != 10.244.0.0/16 jump mark-for-masquerade`,
      `numgen random mod ${endpointsPerService} vmap { ${verdicts.join(', ')} }`, '}',
    )
  }
  lines.push('chain services {', 'ip daddr . meta l4proto . th dport vmap @service-ips', '}', 'chain nat-prerouting {', 'type nat hook prerouting priority dstnat;', 'jump services', '}', '}')
  const all = Array.from({ length: services }, (_, service) => service)
  lines.push(`add element ip kube-proxy cluster-ips { ${all.map((service) => formatIp(serviceIp(service))).join(', ')} }`)
  lines.push(`add element ip kube-proxy service-ips { ${all.map((service) => `${formatIp(serviceIp(service))} . tcp . 80 : goto ${serviceChain(service)}`).join(', ')} }`)
  return `${lines.join('\n')}\n`
}

/** Another address behind the first endpoint of a Service. */
export function kubeProxyChange(service: number, pod: number): string {
  const chain = endpointChain(service, 0)
  return `flush chain ip kube-proxy ${chain}\n${endpointRules(formatIp(podIp(pod))).map((text) => `add rule ip kube-proxy ${chain} ${text}`).join('\n')}\n`
}

function endpointRules(ip: string): readonly string[] {
  return [`ip saddr ${ip} jump mark-for-masquerade`, `meta l4proto tcp dnat to ${ip}:8080`]
}

function serviceChain(service: number): string {
  return `service-ULMVA6XW-bench/service-${service}/tcp/http`
}

function endpointChain(service: number, index: number): string {
  return `endpoint-5OJB2KTY-bench/service-${service}/tcp/http__${index}`
}

import { type EndpointSlice, type Namespace, objectKey, type Pod, protocolNumbers, type Service } from '@weft/api'
import type { PolicyConfig } from './config.ts'
import type { DnsEndpoint, DnsPeer, PolicyPod } from './model.ts'

/** A pod as peer: undefined for pods on host networks (their address is the node's), ended ones, and those without address yet. */
export function watchPeer(pod: Pod): PolicyPod | undefined {
  if (pod.hostNetwork || pod.finished || pod.ips.length === 0) return undefined
  return { key: objectKey(pod), namespace: pod.namespace, labels: pod.labels, ips: pod.ips, ports: pod.ports }
}

/** Labels by which namespaceSelectors see a namespace; its name is one, set by the API server since 1.21. */
export function watchNamespace(namespace: Namespace): Readonly<Record<string, string>> {
  return { ...namespace.labels, 'kubernetes.io/metadata.name': namespace.name }
}

/** The DNS Service with its slices as a peer of egress rules; undefined while there is none. */
export function watchDns(service: Service | undefined, slices: readonly EndpointSlice[], config: PolicyConfig): DnsPeer | undefined {
  if (service === undefined) return undefined
  const endpoints: DnsEndpoint[] = []
  for (const { name, protocol, port } of service.ports) {
    const common = { protocol, servicePort: port, servicePortName: name }
    for (const ip of service.clusterIps) endpoints.push({ ip, port, ...common })
    for (const slice of slices) {
      const target = slice.ports.find((each) => each.name === name && each.protocol === protocol)
      if (target !== undefined) for (const { addresses } of slice.endpoints) for (const ip of addresses.slice(0, 1)) endpoints.push({ ip, port: target.port, ...common })
    }
  }
  const unique = new Map(endpoints.map((endpoint) => [`${endpoint.ip.bits} ${protocolNumbers[endpoint.protocol]} ${endpoint.port}`, endpoint]))
  return { namespace: service.namespace, labels: config.dnsLabels, endpoints: [...unique.values()], vips: service.clusterIps }
}

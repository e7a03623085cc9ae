import { type Attachment, type EndpointSlice, type Namespace, objectKey, type Pod, type Service } from '@weft/api'
import { formatIp, type IpAddress } from '@weft/ip'
import type { DnsPeer, PolicyNamespace, PolicyPod, TargetPod } from './model.ts'

/**
 * A pod as peer: undefined for pods on host networks (their address is the node's), ended ones, and those without address yet.
 *
 * @param attached Its addresses by what this node wired: known before the API has them, and for certain.
 */
export function watchPeer(pod: Pod, attached: readonly IpAddress[] = []): PolicyPod | undefined {
  const ips = attached.length > 0 ? attached : pod.ips
  if (pod.hostNetwork || pod.finished || ips.length === 0) return undefined
  const standing = attached.length > 0 ? 'attached' : pod.deleting ? 'leaving' : 'present'
  return { key: objectKey(pod), namespace: pod.namespace, labels: pod.labels, ips, ports: pod.ports, standing }
}

/** An attachment as target of policies, with the pod the API knows it by. */
export function watchTarget({ ips }: Pick<Attachment, 'ips'>, pod: Pod | undefined): TargetPod {
  return { ips, identity: pod === undefined ? undefined : { namespace: pod.namespace, labels: pod.labels } }
}

/** Labels by which namespaceSelectors see a namespace; its name is one, set by the API server since 1.21. */
export function watchNamespace(namespace: Namespace): PolicyNamespace {
  return { labels: { ...namespace.labels, 'kubernetes.io/metadata.name': namespace.name }, deleting: namespace.deleting }
}

/** The DNS Service with its slices as a peer of egress rules; undefined while there is none. */
export function watchDns(service: Service | undefined, slices: readonly EndpointSlice[], labels: Readonly<Record<string, string>>): DnsPeer | undefined {
  if (service === undefined) return undefined
  const ports = service.ports.map(({ name, protocol, port }) => {
    const servers = slices.flatMap((slice) => {
      const target = slice.ports.find((each) => each.name === name && each.protocol === protocol)
      return target === undefined ? [] : slice.endpoints.flatMap(({ ip }) => (ip === undefined ? [] : { ip, port: target.port }))
    })
    const endpoints = [...service.clusterIps.map((ip) => ({ ip, port })), ...servers]
    return { name, protocol, port, endpoints: [...new Map(endpoints.map((endpoint) => [`${formatIp(endpoint.ip)} ${endpoint.port}`, endpoint])).values()] }
  })
  return { namespace: service.namespace, labels, ports, vips: service.clusterIps }
}

import { type Endpoint, type EndpointSlice, type Node, objectKey, type Service, type ServicePort } from '@weft/api'
import { aggregateCidrs, cidrContains, compareIp, hostCidr, type IpAddress, parseCidr } from '@weft/ip'
import type { ProxyConfig } from './config.ts'
import type { Backend, LocalDns, NodeModel, ServiceModel, VirtualPort } from './model.ts'

/**
 * Folds a Service and its slices into what this node serves. Pure.
 *
 * @returns Undefined for what has nothing in the kernel: headless and ExternalName Services.
 */
export function watchService(service: Service, slices: readonly EndpointSlice[], context: { readonly nodeName: string, readonly node: NodeModel, readonly config: ProxyConfig }): ServiceModel | undefined {
  if (service.headless || service.type === 'ExternalName' || service.clusterIps.length === 0) return undefined
  const { nodeName, node, config } = context
  const key = objectKey(service)
  const ports: VirtualPort[] = []
  for (const port of service.ports) {
    for (const family of [4, 6] as const) {
      const backends = backendsOf(slices, { port, family, nodeName })
      const virtual = (ip: IpAddress, number: number, kind: VirtualPort['kind']): VirtualPort => ({ ip, protocol: port.protocol, port: number, kind, backends })
      for (const ip of service.clusterIps) if (ip.family === family) ports.push(virtual(ip, port.port, 'cluster'))
      if (port.nodePort !== undefined) for (const ip of node.nodePortIps) if (ip.family === family) ports.push(virtual(ip, port.nodePort, 'node'))
    }
  }
  return key === config.dnsService
    ? withLocalDns({ key, vips: service.clusterIps, ports, localDns: [] })
    : { key, vips: service.clusterIps, ports, localDns: [] }
}

/**
 * The endpoints that get traffic: the ready ones; when there are none, those that still serve while they terminate
 * (KEP-1669). An address that stands in several slices counts once.
 */
function backendsOf(slices: readonly EndpointSlice[], { port, family, nodeName }: { readonly port: ServicePort, readonly family: 4 | 6, readonly nodeName: string }): readonly Backend[] {
  const candidates = slices.filter((slice) => slice.family === family).flatMap((slice) => {
    const number = slice.ports.find(({ name, protocol }) => name === port.name && protocol === port.protocol)?.port
    return number === undefined ? [] : slice.endpoints.flatMap((endpoint) => (endpoint.addresses[0] === undefined ? [] : [{ endpoint, ip: endpoint.addresses[0], number }]))
  })
  const usable = (wanted: (endpoint: Endpoint) => boolean): readonly Backend[] => {
    const unique = new Map<string, Backend>()
    for (const { endpoint, ip, number } of candidates)
      if (wanted(endpoint)) unique.set(`${ip.bits} ${number}`, { ip, port: number, local: endpoint.nodeName === nodeName })
    return [...unique.values()].sort((a, b) => compareIp(a.ip, b.ip) || a.port - b.port)
  }
  const ready = usable(({ ready }) => ready)
  return ready.length > 0 ? ready : usable(({ serving, terminating }) => serving && terminating)
}

/** With a DNS server on this node, UDP is rewritten statelessly and TCP keeps to it too; without one the Service is like any other. */
function withLocalDns(service: ServiceModel): ServiceModel {
  const localDns: LocalDns[] = []
  const ports = service.ports.map((port): VirtualPort => {
    const local = port.backends.find((backend) => backend.local)
    if (port.kind !== 'cluster' || local === undefined) return port
    if (port.protocol === 'UDP' && port.port === 53) localDns.push({ vip: port.ip, vipPort: port.port, server: local.ip, serverPort: local.port })
    return { ...port, backends: [local] }
  })
  return { ...service, ports, localDns }
}

/** Folds Node objects into what the proxy needs of them. */
export function watchNodes(nodeName: string, nodes: Iterable<Node>, config: ProxyConfig): NodeModel | undefined {
  const all = [...nodes]
  const self = all.find(({ name }) => name === nodeName)
  if (self === undefined) return undefined
  const ips = ([4, 6] as const).flatMap((family) => self.internalIps.find((ip) => ip.family === family) ?? [])
  const wanted = config.nodePortAddresses === 'primary' ? undefined : config.nodePortAddresses.map(parseCidr)
  return {
    ips,
    nodePortIps: wanted === undefined ? ips : [...self.internalIps, ...self.externalIps].filter((ip) => wanted.some((range) => range.family === ip.family && cidrContains(range, ip))),
    clusterRanges: aggregateCidrs(all.flatMap((node) => [...node.podCidrs, ...node.internalIps.map((ip) => hostCidr(ip))])),
  }
}

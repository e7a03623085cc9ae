import { type EndpointSlice, type NodeName, objectKey, type Service, type ServicePort } from '@weft/api'
import { equalIp, isLoopback } from '@weft/ip'
import { affinityOf, slotCount } from './affinity.ts'
import { backendKey, type Backends, findBackends } from './backends.ts'
import type { ProxyConfig } from './config.ts'
import { sctpOption } from './kernel-features.ts'
import type { Affinity, Backend, LocalDns, NodeModel, ServiceModel, VirtualPort } from './model.ts'
import { maxBackends, maxStickyBackends } from './pick.ts'
import { maxElements, maxNamed, type Place, placesOf } from './places.ts'
import { ProxyError } from './proxy-error.ts'
import { serviceOptions } from './service-options.ts'
import { families, type Family } from './sets.ts'

export interface ServiceContext {
  readonly nodeName: NodeName
  readonly node: NodeModel
  readonly config: ProxyConfig
  /** False sends DNS to the servers of other nodes, as far as there are any. */
  readonly useLocalDns: boolean
}

const dnsPort = 53
/** Labels by which objects say that they are not for us (SVC-1, SVC-2). */
const otherProxy = 'service.kubernetes.io/service-proxy-name'
const headlessLabel = 'service.kubernetes.io/headless'

/**
 * Folds a Service and its slices into what this node serves. Pure.
 *
 * @returns Undefined for what has nothing in the kernel: headless and ExternalName Services, and those of another proxy.
 */
export function watchService(service: Service, slices: readonly EndpointSlice[], context: ServiceContext): ServiceModel | undefined {
  const { labels } = service
  if (service.headless || service.type === 'ExternalName' || service.clusterIps.length === 0 || labels[otherProxy] !== undefined || labels[headlessLabel] !== undefined) return undefined
  const { nodeName, config } = context
  const { lacks } = context.node
  const ours = slices.filter(({ headless }) => !headless)
  const withLocal = service.internalTrafficPolicy === 'Local' || service.externalTrafficPolicy === 'Local'
  const refusals: ProxyError[] = []
  const { weights, drainSeconds } = serviceOptions(service, refusals)
  const places = placesOf(service, context, refusals)
  const affinitySeconds = lacks?.has('update') === true ? undefined : service.affinitySeconds
  const limits = affinitySeconds === undefined ? { backends: maxBackends, list: maxBackends } : { backends: slotCount, list: maxStickyBackends }
  const key = objectKey(service)
  refuseRepeated(service, refusals)
  const servable = lacks?.has('sctp') === true ? withoutSctp(service, refusals) : service.ports
  const byFamily = Map.groupBy(places, ({ ip }) => ip.family)
  const ports: VirtualPort[] = []
  let left = maxElements
  for (const [index, port] of servable.entries()) {
    const served = families.flatMap((family) => {
      const here = byFamily.get(family)
      if (here === undefined) return []
      const backends = findBackends(ours, { port, family, nodeName, zone: context.node.zone, withLocal, drains: drainSeconds !== undefined, weights, limits })
      if (backends.excess > 0 && !refusals.some(({ code }) => code === 'ERR_PROXY_TOO_MANY_ENDPOINTS')) refusals.push(new ProxyError('ERR_PROXY_TOO_MANY_ENDPOINTS', `Cannot serve Service "${key}" port "${port.name}" by ${backends.excess} of its endpoints: there are more than ${limits.backends}`))
      return portsAt(here, port, { key, service, backends, affinity: affinitySeconds === undefined ? undefined : affinityAt(service, port, { seconds: affinitySeconds, family, backends }) })
    })
    left -= served.reduce((sum, { backends, local = [], sources = [] }) => sum + 1 + backends.length + local.length + sources.length, 0)
    if (left < 0) {
      refusals.push(new ProxyError('ERR_PROXY_SERVICE_TOO_LARGE', `Cannot serve Service "${key}" on ${servable.length - index} of its ${service.ports.length} ports: their addresses, endpoints and source ranges together are more than ${maxElements} elements`))
      break
    }
    ports.push(...served)
  }
  const model: ServiceModel = { key, vips: service.clusterIps, ports: [...ports], localDns: nobody, drainSeconds, refusals: refusals.length === 0 ? nobody : refusals }
  return key === config.dnsService && lacks?.has('notrack') !== true ? withDns(model, context) : model
}

/** Without the kernel's help a packet of SCTP would go to the right address and the wrong port. */
function withoutSctp({ ports, ...meta }: Service, refusals: ProxyError[]): readonly ServicePort[] {
  const lost = ports.filter(({ protocol }) => protocol === 'SCTP')
  if (lost.length > 0) refusals.push(new ProxyError('ERR_PROXY_KERNEL', `Cannot serve Service "${objectKey(meta)}" on ${lost.length === 1 ? `SCTP port ${lost[0]!.port}` : `${lost.length} SCTP ports`}: this kernel does not track SCTP, wanted one with ${sctpOption}`))
  return ports.filter(({ protocol }) => protocol !== 'SCTP')
}

/** The first of two ports that have one number is served (see VirtualPorts). */
function refuseRepeated({ ports, ...meta }: Service, refusals: ProxyError[]): void {
  if (ports.length < 2) return
  const owners = new Map<string, ServicePort>()
  const repeated = ports.flatMap((own) => {
    const { name, protocol, port, nodePort } = own
    return [`${port}/${protocol}`, ...(nodePort === undefined ? [] : [`nodePort ${nodePort}/${protocol}`])].flatMap((number) => {
      const first = owners.getOrInsert(number, own)
      return first === own ? [] : [`port "${name}" has the number ${number} of port "${first.name}"`]
    })
  })
  const more = repeated.length > maxNamed ? ` and ${repeated.length - maxNamed} more` : ''
  if (repeated.length > 0) refusals.push(new ProxyError('ERR_PROXY_PORT_TAKEN', `Cannot serve Service "${objectKey(meta)}" on all of its ports: ${repeated.slice(0, maxNamed).join(', ')}${more}, wanted each number once`))
}

/** One for all addresses of a port, so that a client gets the same backend through each of them. */
function affinityAt(service: Service, { name, protocol }: ServicePort, { seconds, family, backends: { all, local } }: { readonly seconds: number, readonly family: Family, readonly backends: Backends }): Affinity {
  return affinityOf(`${objectKey(service)} ${name} ${protocol} ${family}`, seconds, [...all, ...local])
}

/** Internal policy is for cluster IPs, external policy for all others (SVC-84). */
function portsAt(places: readonly Place[], port: ServicePort, { key, service, backends: { all, local, serving }, affinity }: { readonly key: string, readonly service: Service, readonly backends: Backends, readonly affinity: Affinity | undefined }): readonly VirtualPort[] {
  const staysInside = service.internalTrafficPolicy === 'Local'
  const staysOutside = service.externalTrafficPolicy === 'Local'
  return places.flatMap(({ ip, kind, sources }): readonly VirtualPort[] => {
    const number = kind === 'node' ? port.nodePort : port.port
    if (number === undefined) return []
    const isCluster = kind === 'cluster'
    // Whoever comes by a loopback address is this node, which reaches all.
    const isForeign = !isCluster && !isLoopback(ip)
    const backends = isCluster && staysInside ? local : all
    return [{
      service: key, ip, protocol: port.protocol, port: number, kind, backends, affinity, sources,
      local: isForeign && staysOutside ? local : undefined,
      elsewhere: backends.length === 0 && all.length > 0,
      lingering: without(serving, backends), held: nobody,
    }]
  })
}

const nobody: readonly never[] = []

function without(all: readonly Backend[], some: readonly Backend[]): readonly Backend[] {
  if (all === some) return nobody
  const keys = new Set(some.map(({ ip, port }) => backendKey(ip, port)))
  return all.filter(({ ip, port }) => !keys.has(backendKey(ip, port)))
}

/**
 * With a DNS server on this node's own address, UDP is rewritten statelessly and TCP keeps to it too. A server in a pod is like any
 * other backend: its answers do not pass where ours are rewritten. Without one the Service is like any other.
 */
function withDns(service: ServiceModel, { node, useLocalDns }: ServiceContext): ServiceModel {
  const isHere = ({ ip, local }: Backend): boolean => local && node.ips.some((own) => equalIp(own, ip))
  const localDns: LocalDns[] = []
  const ports = service.ports.map((port): VirtualPort => {
    const here = port.backends.find(isHere)
    if (port.kind !== 'cluster' || port.port !== dnsPort || here === undefined) return port
    // One per family, as the answers' source is found by the server's address alone.
    if (port.protocol === 'UDP' && !localDns.some(({ vip }) => vip.family === port.ip.family)) localDns.push({ vip: port.ip, server: here.ip, serverPort: here.port, isUsed: useLocalDns })
    if (useLocalDns) return { ...port, backends: [here] }
    const others = port.backends.filter((backend) => !isHere(backend))
    return others.length === 0 ? port : { ...port, backends: others }
  })
  return { ...service, ports, localDns }
}

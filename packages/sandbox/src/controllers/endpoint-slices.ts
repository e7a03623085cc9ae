import type { JsonObject } from '../apiserver/json.ts'
import { isFinished, isReady, type Pod, type Service, type ServicePort } from './model.ts'

/** Kubernetes' own controller fills slices up to this many endpoints. */
export const MAX_ENDPOINTS_PER_SLICE = 100

/** Endpoints of one family that share their ports: what one or more slices say. */
export interface EndpointGroup {
  readonly family: 'IPv4' | 'IPv6'
  readonly ports: readonly JsonObject[]
  /** By name of the pod. */
  readonly endpoints: readonly JsonObject[]
}

/**
 * What a Service's slices have to say.
 *
 * @param pods Pods of its namespace that its selector chooses.
 */
export function compileEndpoints(service: Service, pods: readonly Pod[]): EndpointGroup[] {
  const groups = new Map<string, { family: 'IPv4' | 'IPv6', ports: JsonObject[], endpoints: JsonObject[] }>()
  const sorted = [...pods].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
  for (const family of service.spec.ipFamilies ?? ['IPv4']) {
    for (const pod of sorted) {
      const address = addressOf(pod, family)
      if (address === undefined || isFinished(pod)) continue
      const ports = portsOf(service, pod)
      // A pod that has none of the named ports cannot be reached through the Service.
      if (ports.length === 0 && (service.spec.ports ?? []).length > 0) continue
      const id = `${family} ${JSON.stringify(ports)}`
      const group = groups.getOrInsertComputed(id, () => ({ family, ports, endpoints: [] }))
      group.endpoints.push(endpointOf(service, pod, address))
    }
  }
  return [...groups.values()]
}

function addressOf(pod: Pod, family: 'IPv4' | 'IPv6'): string | undefined {
  const addresses = pod.status?.podIPs?.map(entry => entry.ip) ?? (pod.status?.podIP === undefined ? [] : [pod.status.podIP])
  return addresses.find(address => address.includes(':') === (family === 'IPv6'))
}

function portsOf(service: Service, pod: Pod): JsonObject[] {
  const ports: JsonObject[] = []
  for (const port of service.spec.ports ?? []) {
    const number = targetPort(pod, port)
    if (number === undefined) continue
    ports.push({ name: port.name ?? '', protocol: port.protocol, port: number, ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol }) })
  }
  return ports
}

function targetPort(pod: Pod, port: ServicePort): number | undefined {
  if (typeof port.targetPort === 'number') return port.targetPort
  const sidecars = (pod.spec.initContainers ?? []).filter(container => container.restartPolicy === 'Always')
  for (const container of [...pod.spec.containers, ...sidecars]) {
    const found = container.ports?.find(candidate => candidate.name === port.targetPort && candidate.protocol === port.protocol)
    if (found !== undefined) return found.containerPort
  }
  return undefined
}

function endpointOf(service: Service, pod: Pod, address: string): JsonObject {
  const { metadata, spec } = pod
  const ready = isReady(pod)
  const terminating = metadata.deletionTimestamp !== undefined
  const published = service.spec.publishNotReadyAddresses === true
  const hasHostname = spec.hostname !== undefined && spec.subdomain === service.metadata.name
  return {
    addresses: [address],
    conditions: { ready: published || (ready && !terminating), serving: published || ready, terminating },
    ...(hasHostname ? { hostname: spec.hostname } : {}),
    targetRef: { kind: 'Pod', namespace: metadata.namespace, name: metadata.name, uid: metadata.uid },
    ...(spec.nodeName === undefined ? {} : { nodeName: spec.nodeName }),
  }
}

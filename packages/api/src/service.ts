import type { Cidr, IpAddress } from '@weft/ip'
import type { Field } from './field.ts'
import { type ObjectMeta, openObject } from './object-meta.ts'
import type { ObjectResource } from './object-resource.ts'
import { type Protocol, protocols } from './protocol.ts'

export interface ServicePort {
  /** Empty for the only port of a Service without port names. */
  readonly name: string
  readonly protocol: Protocol
  readonly port: number
  /** Absent when none is allocated. */
  readonly nodePort: number | undefined
}

export type ServiceType = 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName'
export type TrafficPolicy = 'Cluster' | 'Local'

export interface Service extends ObjectMeta {
  readonly type: ServiceType
  /** `clusterIP: None`. */
  readonly headless: boolean
  /** In the order of `spec.clusterIPs`; empty for headless and ExternalName Services. */
  readonly clusterIps: readonly IpAddress[]
  readonly ports: readonly ServicePort[]
  readonly externalName: string
  readonly externalIps: readonly IpAddress[]
  /** `status.loadBalancer.ingress[].ip` with `ipMode` VIP (the default). */
  readonly loadBalancerIps: readonly IpAddress[]
  readonly loadBalancerSourceRanges: readonly Cidr[]
  readonly internalTrafficPolicy: TrafficPolicy
  readonly externalTrafficPolicy: TrafficPolicy
  readonly healthCheckNodePort: number | undefined
  /** ClientIP affinity timeout in seconds; absent without affinity. */
  readonly affinitySeconds: number | undefined
  readonly publishNotReadyAddresses: boolean
  /** Those of `weft.dev` alone, without that prefix; what is too long is cut, and none of our readers takes it then. */
  readonly annotations: Readonly<Record<string, string>>
}

const types = ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'] as const
const policies = ['Cluster', 'Local'] as const

/**
 * Keeps what the features use of a core/v1 Service.
 *
 * @throws {InvalidObjectError} Naming the Service and the field.
 */
export function toService(object: unknown): Service {
  const { root, meta } = openObject('Service', object)
  const spec = root.get('spec')
  const type = spec.get('type').present ? spec.get('type').oneOf(types) : 'ClusterIP'
  const headless = spec.get('clusterIP').value === 'None'
  const listed = spec.get('clusterIPs').list()
  const clusterIps = headless || type === 'ExternalName' ? [] : listed.length > 0 ? listed : [spec.get('clusterIP')].filter((ip) => ip.optionalString() !== undefined)
  const healthCheckNodePort = spec.get('healthCheckNodePort')
  const balancers = root.get('status').get('loadBalancer').get('ingress').list()
    .filter((ingress) => ingress.get('ip').optionalString() !== undefined && ingress.get('ipMode').stringOr('VIP') === 'VIP')
  return {
    // One by one: what is spread lies outside of the object, at a fifth of its size more.
    namespace: meta.namespace, name: meta.name, uid: meta.uid, resourceVersion: meta.resourceVersion, labels: meta.labels, deleting: meta.deleting,
    type,
    headless,
    clusterIps: clusterIps.map((ip) => ip.endpointIp()),
    ports: spec.get('ports').map((port) => ({
      name: port.get('name').stringOr(''),
      protocol: port.get('protocol').present ? port.get('protocol').oneOf(protocols) : 'TCP',
      port: port.get('port').port(),
      // 0 means "not allocated yet" and must never become a wildcard (CVE-2021-25736).
      nodePort: port.get('nodePort').present && port.get('nodePort').value !== 0 ? port.get('nodePort').port() : undefined,
    })),
    externalName: spec.get('externalName').stringOr(''),
    externalIps: spec.get('externalIPs').map((ip) => ip.endpointIp()),
    loadBalancerIps: balancers.length === 0 ? noAddresses : balancers.map((ingress) => ingress.get('ip').endpointIp()),
    loadBalancerSourceRanges: spec.get('loadBalancerSourceRanges').map((range) => range.cidr()),
    internalTrafficPolicy: spec.get('internalTrafficPolicy').present ? spec.get('internalTrafficPolicy').oneOf(policies) : 'Cluster',
    externalTrafficPolicy: spec.get('externalTrafficPolicy').optionalString() === undefined ? 'Cluster' : spec.get('externalTrafficPolicy').oneOf(policies),
    healthCheckNodePort: healthCheckNodePort.present && healthCheckNodePort.value !== 0 ? healthCheckNodePort.port() : undefined,
    affinitySeconds: spec.get('sessionAffinity').value === 'ClientIP'
      ? readAffinitySeconds(spec.get('sessionAffinityConfig').get('clientIP').get('timeoutSeconds'))
      : undefined,
    publishNotReadyAddresses: spec.get('publishNotReadyAddresses').booleanOr(false),
    annotations: ownAnnotations(root.get('metadata').get('annotations')),
  }
}

const annotationPrefix = 'weft.dev/'
/** Annotations of an object may be a quarter of a megabyte, and of one that bypassed the API server's checks more. */
export const maxAnnotationLength = 8192
const noAddresses: readonly IpAddress[] = []
const noAnnotations: Readonly<Record<string, string>> = {}

/** Hostile annotations of others must not cost their Service: they are not looked at. */
function ownAnnotations(field: Field): Readonly<Record<string, string>> {
  const { value } = field
  if (typeof value !== 'object' || value === null) return noAnnotations
  const own = Object.entries(value).filter((entry): entry is [string, string] => entry[0].startsWith(annotationPrefix) && typeof entry[1] === 'string')
  return own.length === 0 ? noAnnotations : Object.fromEntries(own.map(([key, text]) => [key.slice(annotationPrefix.length), text.slice(0, maxAnnotationLength + 1)]))
}

/** Default and bounds of core/v1 ClientIPConfig. */
function readAffinitySeconds(field: { readonly present: boolean, integer(minimum: number, maximum: number): number }): number {
  return field.present ? field.integer(1, 86_400) : 10_800
}

export const serviceResource: ObjectResource<Service> = { kind: 'Service', apiVersion: 'v1', name: 'services', path: '/api/v1/services', trim: toService }

import type { IpAddress } from '@weft/ip'
import type { NodeName } from './node-name.ts'
import { type ObjectMeta, openObject } from './object-meta.ts'
import type { ObjectResource } from './object-resource.ts'
import { type Protocol, protocols } from './protocol.ts'

export interface Endpoint {
  /** The first of its addresses, which are fungible (discovery/v1); undefined when it has none. */
  readonly ip: IpAddress | undefined
  readonly ready: boolean
  readonly serving: boolean
  readonly terminating: boolean
  readonly nodeName: NodeName | undefined
  readonly hostname: string
  /** Zones and nodes whose clients it is meant for (`hints`, KEP-2433 and KEP-3015); empty when it is for all. */
  readonly forZones: readonly string[]
  readonly forNodes: readonly NodeName[]
  /** `namespace/name` of the pod behind it; empty when it is none. */
  readonly pod: string
}

export interface EndpointPort {
  readonly name: string
  readonly protocol: Protocol
  readonly port: number
}

/** Without its labels, each a map of its own: there are more of these objects than of all others together. */
export interface EndpointSlice extends Omit<ObjectMeta, 'labels'> {
  /** Name of the Service in the same namespace (label `kubernetes.io/service-name`); empty when it belongs to none. */
  readonly serviceName: string
  /** Label `service.kubernetes.io/headless`: it is not for service proxies. */
  readonly headless: boolean
  readonly family: 4 | 6
  readonly endpoints: readonly Endpoint[]
  /** Ports without a number or name (nil) are left out. */
  readonly ports: readonly EndpointPort[]
  /** When the oldest change of pods or Service in this version happened, in milliseconds since 1970; undefined when nobody says. */
  readonly triggeredAtMs: number | undefined
}

/** Written by the EndpointSlice controller: what latency of network programming is measured from. */
const triggerAnnotation = 'endpoints.kubernetes.io/last-change-trigger-time'

/**
 * Keeps what the features use of a discovery.k8s.io/v1 EndpointSlice. Slices of type FQDN come out without endpoints:
 * no consumer supports them, in Kubernetes either.
 *
 * @throws {InvalidObjectError} Naming the slice and the field, for an address that no endpoint may have among others.
 */
export function toEndpointSlice(object: unknown): EndpointSlice {
  const { root, meta } = openObject('EndpointSlice', object)
  const type = root.get('addressType').oneOf(['IPv4', 'IPv6', 'FQDN'])
  const family = type === 'IPv6' ? 6 : 4
  return {
    // One by one: what is spread lies outside of the object, at a fifth of its size more.
    namespace: meta.namespace, name: meta.name, uid: meta.uid, resourceVersion: meta.resourceVersion, deleting: meta.deleting,
    serviceName: meta.labels['kubernetes.io/service-name'] ?? '',
    headless: meta.labels['service.kubernetes.io/headless'] !== undefined,
    family,
    endpoints: type === 'FQDN' ? [] : root.get('endpoints').map((endpoint) => {
      const conditions = endpoint.get('conditions')
      const target = endpoint.get('targetRef')
      const hints = endpoint.get('hints')
      const ready = conditions.get('ready').booleanOr(true)
      return {
        ip: endpoint.get('addresses').map((entry) => {
          const address = entry.endpointIp()
          if (address.family !== family) throw entry.fail(`is ${String(entry.value)}, wanted an address of type ${type}`)
          return address
        })[0],
        ready,
        serving: conditions.get('serving').booleanOr(ready),
        terminating: conditions.get('terminating').booleanOr(false),
        nodeName: endpoint.get('nodeName').optionalNodeName(),
        hostname: endpoint.get('hostname').stringOr(''),
        forZones: hints.get('forZones').map((item) => item.get('name').name()),
        forNodes: hints.get('forNodes').map((item) => item.get('name').nodeName()),
        pod: target.get('kind').value === 'Pod' ? `${target.get('namespace').stringOr(meta.namespace)}/${target.get('name').string()}` : '',
      }
    }),
    ports: root.get('ports').list().filter((port) => port.get('port').present).map((port) => ({
      name: port.get('name').stringOr(''),
      protocol: port.get('protocol').present ? port.get('protocol').oneOf(protocols) : 'TCP',
      port: port.get('port').port(),
    })),
    triggeredAtMs: readTime(root.get('metadata').get('annotations').get(triggerAnnotation).stringOr('')),
  }
}

function readTime(text: string): number | undefined {
  const time = Date.parse(text)
  return Number.isNaN(time) ? undefined : time
}

export const endpointSliceResource: ObjectResource<EndpointSlice> = { kind: 'EndpointSlice', apiVersion: 'discovery.k8s.io/v1', name: 'endpointslices', path: '/apis/discovery.k8s.io/v1/endpointslices', trim: toEndpointSlice }

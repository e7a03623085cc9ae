import { type EndpointSlice, type Node, type NodeName, parseNodeName, type Service, toEndpointSlice, toNode, toService } from '@weft/api'
import { storeOf } from '@weft/kube/testing'
import type { Store } from '@weft/kube'

/** What a test's proxy follows. */
export interface ClusterStores {
  readonly nodes: Store<Node>
  readonly services: Store<Service>
  readonly slices: Store<EndpointSlice>
}

/** Untrimmed objects, as the API server gives them. */
export function storesOf(objects: readonly object[]): ClusterStores {
  const ofKind = (kind: string): readonly object[] => objects.filter((object) => (object as { readonly kind: string }).kind === kind)
  return { nodes: storeOf(ofKind('Node').map(toNode)), services: storeOf(ofKind('Service').map(toService)), slices: storeOf(ofKind('EndpointSlice').map(toEndpointSlice)) }
}

/** The node that tests serve Services on. */
export const nodeName: NodeName = parseNodeName('here')

let version = 0
const metadata = (key: string, rest: object = {}): object => {
  const [namespace, name] = key.includes('/') ? key.split('/') : ['', key]
  version += 1
  return { namespace, name, uid: key, resourceVersion: String(version), ...rest }
}

export interface NodeShape {
  readonly ips?: readonly string[]
  readonly podCidrs?: readonly string[]
  readonly zone?: string
}

export function node(name: string, { ips = ['172.30.1.11', 'fd00:172:30:1::11'], podCidrs = ['10.244.0.0/24', 'fd00:10:244::/64'], zone }: NodeShape = {}): object {
  return { kind: 'Node', metadata: metadata(name, { labels: zone === undefined ? {} : { 'topology.kubernetes.io/zone': zone } }), spec: { podCIDRs: podCidrs }, status: { addresses: ips.map((address) => ({ type: 'InternalIP', address })) } }
}

export interface PortShape {
  readonly name?: string
  readonly port: number
  readonly protocol?: string
  readonly nodePort?: number
}

/** A Service; `rest` goes into its spec. */
export function service(key: string, ips: readonly string[], { ports = [{ port: 80 }], labels, annotations, balancers, ...rest }: { readonly ports?: readonly PortShape[], readonly labels?: object, readonly annotations?: object, readonly balancers?: readonly string[], readonly [field: string]: unknown } = {}): object {
  return {
    kind: 'Service', metadata: metadata(key, { labels, annotations }),
    spec: { clusterIP: ips[0], clusterIPs: ips, ports, ...rest },
    status: { loadBalancer: { ingress: (balancers ?? []).map((ip) => ({ ip })) } },
  }
}

export interface EndpointShape {
  readonly ip: string
  readonly node?: string
  readonly ready?: boolean
  readonly serving?: boolean
  readonly terminating?: boolean
  /** Hints. */
  readonly zones?: readonly string[] | undefined
  readonly nodes?: readonly string[]
  readonly pod?: string
}

export function slice(key: string, endpoints: readonly (string | EndpointShape)[], { ports = [{ port: 8080 }], suffix = 'a', labels = {} }: { readonly ports?: readonly PortShape[], readonly suffix?: string, readonly labels?: object } = {}): object {
  const all = endpoints.map((endpoint) => (typeof endpoint === 'string' ? { ip: endpoint } : endpoint))
  return {
    kind: 'EndpointSlice', metadata: metadata(`${key}-${suffix}`, { labels: { 'kubernetes.io/service-name': key.split('/')[1], ...labels } }),
    addressType: all.some(({ ip }) => ip.includes(':')) ? 'IPv6' : 'IPv4',
    ports: ports.map((port) => ({ protocol: 'TCP', ...port })),
    endpoints: all.map(({ ip, node: nodeName = 'other', zones, nodes, pod, ...conditions }) => ({
      addresses: [ip], nodeName, conditions,
      ...(zones === undefined && nodes === undefined ? {} : { hints: { forZones: zones?.map((name) => ({ name })), forNodes: nodes?.map((name) => ({ name })) } }),
      ...(pod === undefined ? {} : { targetRef: { kind: 'Pod', name: pod } }),
    })),
  }
}

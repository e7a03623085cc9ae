import {
  type ClusterNetworkPolicy, type ClusterPolicyKind, type EndpointSlice, type Namespace, type NetworkPolicy, type Node, type Pod, type Service, toClusterNetworkPolicy, toEndpointSlice, toNamespace, toNetworkPolicy,
  toNode, toPod, toService, type NodeName, parseNodeName,
} from '@weft/api'
import { storeOf } from '@weft/kube/testing'
import type { Store } from '@weft/kube'

/** An untrimmed object, as the API server gives it. */
export interface KubeObject {
  readonly kind: string
  readonly metadata: { readonly name: string, readonly namespace?: string }
}

export interface ClusterStores {
  readonly pods: Store<Pod>
  readonly namespaces: Store<Namespace>
  readonly policies: Store<NetworkPolicy>
  readonly clusterPolicies: readonly [cluster: Store<ClusterNetworkPolicy>, admin: Store<ClusterNetworkPolicy>, baseline: Store<ClusterNetworkPolicy>]
  readonly nodes: Store<Node>
  readonly services: Store<Service>
  readonly slices: Store<EndpointSlice>
}

export const nodeName: NodeName = parseNodeName('node-1')

export function storesOf(objects: readonly object[] = []): ClusterStores {
  const of = <T>(kind: string, trim: (object: unknown) => T): T[] => objects.filter((object) => (object as KubeObject).kind === kind).map(trim)
  const clusterOf = (kind: ClusterPolicyKind): Store<ClusterNetworkPolicy> => storeOf(of(kind, (object) => toClusterNetworkPolicy(object, kind)))
  return {
    pods: storeOf(of('Pod', toPod)),
    namespaces: storeOf(of('Namespace', toNamespace)),
    policies: storeOf(of('NetworkPolicy', toNetworkPolicy)),
    clusterPolicies: [clusterOf('ClusterNetworkPolicy'), clusterOf('AdminNetworkPolicy'), clusterOf('BaselineAdminNetworkPolicy')],
    nodes: storeOf(of('Node', toNode)),
    services: storeOf(of('Service', toService)),
    slices: storeOf(of('EndpointSlice', toEndpointSlice)),
  }
}

export function namespace(name: string, labels: Readonly<Record<string, string>> = {}, deleting = false): object {
  return { kind: 'Namespace', metadata: { name, uid: `ns-${name}`, labels, ...(deleting ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}) } }
}

export interface PodShape {
  readonly ips?: readonly string[]
  readonly labels?: Readonly<Record<string, string>>
  readonly node?: string
  readonly uid?: string
  readonly staticUid?: string
  readonly phase?: string
  readonly hostNetwork?: boolean
  readonly deleting?: boolean
  readonly ports?: readonly { readonly name?: string, readonly containerPort: number, readonly protocol?: string }[]
}

export function pod(key: string, { ips = [], labels = {}, node = nodeName, uid = `pod-${key}`, staticUid, phase = 'Running', hostNetwork = false, deleting = false, ports = [] }: PodShape = {}): object {
  const [ns, name] = key.split('/')
  return {
    kind: 'Pod',
    metadata: { namespace: ns, name, uid, labels, ...(staticUid === undefined ? {} : { annotations: { 'kubernetes.io/config.mirror': staticUid } }), ...(deleting ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}) },
    spec: { nodeName: node, hostNetwork, containers: [{ ports }] },
    status: { phase, podIPs: ips.map((ip) => ({ ip })) },
  }
}

export function networkPolicy(key: string, spec: object): object {
  const [ns, name] = key.split('/')
  return { kind: 'NetworkPolicy', metadata: { namespace: ns, name, uid: `policy-${key}` }, spec: { podSelector: {}, ...spec } }
}

export function clusterPolicy(name: string, spec: object, kind: ClusterPolicyKind = 'ClusterNetworkPolicy'): object {
  return { kind, metadata: { name, uid: `cluster-policy-${name}` }, spec: { subject: { namespaces: {} }, ...spec } }
}

export function node(name: string, ips: readonly string[], labels: Readonly<Record<string, string>> = {}, podCIDRs: readonly string[] = []): object {
  return { kind: 'Node', metadata: { name, uid: `node-${name}`, labels }, spec: { podCIDRs }, status: { addresses: ips.map((address) => ({ type: 'InternalIP', address })) } }
}

/** The DNS Service as Weft installs it: servers on the host network of their nodes. */
export function dnsObjects(servers: readonly string[] = ['172.30.1.11', '172.30.1.12'], vips: readonly string[] = ['10.96.0.10', 'fd00:10:96::a']): readonly object[] {
  const meta = { namespace: 'kube-system', name: 'kube-dns', uid: 'dns' }
  const ports = [{ name: 'dns', port: 53, protocol: 'UDP' }, { name: 'dns-tcp', port: 53, protocol: 'TCP' }, { name: 'metrics', port: 9153, protocol: 'TCP' }]
  return [
    namespace('kube-system'),
    { kind: 'Service', metadata: meta, spec: { clusterIP: vips[0], clusterIPs: vips, ports } },
    ...[4, 6].map((family) => {
      const own = servers.filter((ip) => ip.includes(':') === (family === 6))
      return {
        kind: 'EndpointSlice', metadata: { ...meta, name: `kube-dns-${family}`, labels: { 'kubernetes.io/service-name': 'kube-dns' } }, addressType: `IPv${family}`,
        endpoints: own.map((ip) => ({ addresses: [ip], conditions: { ready: true } })),
        ports: ports.map(({ name, protocol, port }) => ({ name, protocol, port: port === 53 ? 10_053 : port })),
      }
    }),
  ]
}

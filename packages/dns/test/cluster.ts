import { type EndpointSlice, type Namespace, type Pod, type Service, toEndpointSlice, toNamespace, toPod, toService } from '@weft/api'
import { storeOf } from '@weft/kube/testing'
import type { Store } from '@weft/kube'

/** Untrimmed objects of a small cluster, as the API server gives them. */
export interface ClusterObjects {
  readonly namespaces?: readonly object[]
  readonly services?: readonly object[]
  readonly slices?: readonly object[]
  readonly pods?: readonly object[]
}

export interface ClusterStores {
  readonly services: Store<Service>
  readonly endpointSlices: Store<EndpointSlice>
  readonly namespaces: Store<Namespace>
  readonly pods: Store<Pod>
}

export function storesOf({ namespaces = [], pods = [], services = [], slices = [] }: ClusterObjects): ClusterStores {
  return {
    services: storeOf(services.map(toService)),
    endpointSlices: storeOf(slices.map(toEndpointSlice)),
    namespaces: storeOf(namespaces.map(toNamespace)),
    pods: storeOf(pods.map(toPod)),
  }
}

export function namespace(name: string): object {
  return { metadata: { name, uid: `ns-${name}`, resourceVersion: '1' } }
}

export function service(key: string, spec: object): object {
  const [ns, name] = key.split('/')
  return { metadata: { namespace: ns, name, uid: `svc-${key}`, resourceVersion: '1' }, spec }
}

export interface SliceShape {
  readonly ports?: readonly { readonly name?: string, readonly port: number, readonly protocol?: string }[]
  readonly endpoints: readonly { readonly ip: string, readonly hostname?: string, readonly ready?: boolean }[]
  readonly suffix?: string
}

export function slice(key: string, { endpoints, ports = [], suffix = '1' }: SliceShape): object {
  const [ns, name] = key.split('/')
  return {
    metadata: { namespace: ns, name: `${name}-${suffix}`, uid: `slice-${key}-${suffix}`, resourceVersion: '1', labels: { 'kubernetes.io/service-name': name } },
    addressType: endpoints.some(({ ip }) => ip.includes(':')) ? 'IPv6' : 'IPv4',
    endpoints: endpoints.map(({ hostname, ip, ready }) => ({ addresses: [ip], hostname, conditions: ready === undefined ? {} : { ready } })),
    ports: ports.map((port) => ({ protocol: 'TCP', ...port })),
  }
}

const httpPort = { name: 'http', port: 80, protocol: 'TCP' }

/** One of each kind, after CoreDNS's own test objects. */
export const sampleCluster: ClusterObjects = {
  namespaces: ['default', 'kube-system', 'testns', 'empty'].map(namespace),
  services: [
    service('default/kubernetes', { clusterIP: '10.96.0.1', clusterIPs: ['10.96.0.1', 'fd00:10:96::1'], ports: [{ name: 'https', port: 443, protocol: 'TCP' }] }),
    service('kube-system/kube-dns', { clusterIP: '10.96.0.10', clusterIPs: ['10.96.0.10', 'fd00:10:96::a'], ports: [{ name: 'dns', port: 53, protocol: 'UDP' }, { name: 'dns-tcp', port: 53, protocol: 'TCP' }] }),
    service('testns/svc1', { clusterIP: '10.96.0.100', clusterIPs: ['10.96.0.100'], ports: [httpPort] }),
    service('testns/svc6', { clusterIP: 'fd00:10:96::100', clusterIPs: ['fd00:10:96::100'], ports: [{ port: 80, protocol: 'TCP' }] }),
    service('testns/svcempty', { clusterIP: '10.96.0.101', clusterIPs: ['10.96.0.101'], ports: [httpPort] }),
    service('testns/hdls1', { clusterIP: 'None', ports: [httpPort] }),
    service('testns/hdlsprtls', { clusterIP: 'None' }),
    service('testns/hdlsempty', { clusterIP: 'None', ports: [httpPort] }),
    service('testns/hdlsunready', { clusterIP: 'None', ports: [httpPort], publishNotReadyAddresses: true }),
    service('testns/external', { type: 'ExternalName', externalName: 'ext.interwebs.test' }),
    service('testns/external-to-service', { type: 'ExternalName', externalName: 'svc1.testns.svc.cluster.local.' }),
    service('testns/external-loop-a', { type: 'ExternalName', externalName: 'external-loop-b.testns.svc.cluster.local' }),
    service('testns/external-loop-b', { type: 'ExternalName', externalName: 'external-loop-a.testns.svc.cluster.local' }),
  ],
  slices: [
    slice('testns/svc1', { ports: [{ name: 'http', port: 8080 }], endpoints: [{ ip: '172.0.0.1' }] }),
    slice('testns/hdls1', { ports: [{ name: 'http', port: 80 }], endpoints: [{ ip: '172.0.0.2' }, { ip: '172.0.0.3' }, { ip: '172.0.0.4', hostname: 'dup-name' }, { ip: '172.0.0.5', hostname: 'dup-name' }, { ip: '172.0.0.6', ready: false }] }),
    slice('testns/hdls1', { suffix: '6', ports: [{ name: 'http', port: 80 }], endpoints: [{ ip: '5678:abcd::1' }, { ip: '5678:abcd::2' }] }),
    slice('testns/hdlsprtls', { endpoints: [{ ip: '172.0.0.20', hostname: 'pod-0' }] }),
    slice('testns/hdlsunready', { ports: [{ name: 'http', port: 80 }], endpoints: [{ ip: '172.0.0.30', hostname: 'web-0', ready: false }] }),
  ],
  pods: [
    { metadata: { namespace: 'testns', name: 'pod-1', uid: 'pod-1', resourceVersion: '1' }, spec: { nodeName: 'n1' }, status: { phase: 'Running', podIPs: [{ ip: '10.244.0.9' }, { ip: 'fd00:10:244::9' }] } },
    { metadata: { namespace: 'testns', name: 'host-1', uid: 'host-1', resourceVersion: '1' }, spec: { nodeName: 'n1', hostNetwork: true }, status: { phase: 'Running', podIPs: [{ ip: '172.30.1.11' }] } },
  ],
}

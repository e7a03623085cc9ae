import type { Endpoint, EndpointPort, EndpointSlice, Namespace, Pod, Protocol, Service, ServicePort } from '@weft/api'
import { formatIp } from '@weft/ip'
import type { Store } from '@weft/kube'
import type { DnsEndpoint, DnsModel, DnsPort, DnsProtocol, DnsService, ModelChange } from './model.ts'

/** What the zone is made from. The assembly keeps these in step with the API server. */
export interface DnsStores {
  readonly services: Store<Service>
  readonly endpointSlices: Store<EndpointSlice>
  readonly namespaces: Store<Namespace>
  /** Needed in pod mode `verified` only. */
  readonly pods?: Store<Pod> | undefined
}

/** Index over slices: those of one Service, by `namespace/service`. */
const sliceIndex = 'dns-service'

const protocolNames: Readonly<Record<Protocol, DnsProtocol>> = { TCP: 'tcp', UDP: 'udp', SCTP: 'sctp' }

/**
 * One Service and its slices as the zone sees them. Slices may come in any order and overlap: endpoints come out
 * sorted, each once (P11).
 *
 * @returns undefined for a Service without anything to answer: not headless and no cluster IP yet.
 */
export function toDnsService(service: Service, slices: readonly EndpointSlice[]): DnsService | undefined {
  const kind = service.type === 'ExternalName' ? 'external' : service.headless ? 'headless' : 'cluster'
  if (kind === 'cluster' && service.clusterIps.length === 0) return undefined
  if (kind === 'external' && service.externalName === '') return undefined
  return {
    namespace: service.namespace,
    name: service.name,
    kind,
    addresses: kind === 'cluster' ? service.clusterIps : [],
    externalName: kind === 'external' ? service.externalName : '',
    ports: kind === 'cluster' ? service.ports.map(toPort) : [],
    endpoints: kind === 'external' ? [] : mergeEndpoints(service, slices),
  }
}

function mergeEndpoints(service: Service, slices: readonly EndpointSlice[]): DnsEndpoint[] {
  const merged = new Map<string, DnsEndpoint>()
  for (const slice of slices) {
    const ports = slice.ports.map(toPort)
    for (const endpoint of slice.endpoints) {
      const address = endpoint.ip
      if (address === undefined || !isPublished(endpoint, service)) continue
      const hostname = endpoint.hostname.toLowerCase()
      const key = `${hostname} ${formatIp(address)}`
      const known = merged.get(key)
      merged.set(key, { address, hostname, ports: known === undefined ? ports : joinPorts(known.ports, ports) })
    }
  }
  return [...merged].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint)
}

/** DNS-13: ready, or the Service wants those that are not as well. */
function isPublished(endpoint: Endpoint, service: Service): boolean {
  return endpoint.ready || service.publishNotReadyAddresses
}

function joinPorts(a: readonly DnsPort[], b: readonly DnsPort[]): readonly DnsPort[] {
  const joined = new Map([...a, ...b].map((port) => [`${port.name} ${port.protocol} ${port.port}`, port]))
  return [...joined].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, port]) => port)
}

function toPort({ name, port, protocol }: EndpointPort | ServicePort): DnsPort {
  return { name: name.toLowerCase(), protocol: protocolNames[protocol], port }
}

/** The Service of that key as it is now. */
export function serviceFromStores(stores: DnsStores, key: string): DnsService | undefined {
  const service = stores.services.get(key)
  return service === undefined ? undefined : toDnsService(service, stores.endpointSlices.by(sliceIndex, key))
}

/** The whole model as the stores have it now. */
export function modelFromStores(stores: DnsStores, serial: number): DnsModel {
  const services = [...stores.services.keys()].map((key) => serviceFromStores(stores, key)).filter((service) => service !== undefined)
  return { services, namespaces: [...stores.namespaces.keys()], pods: [...podAddresses(stores)], serial }
}

/** Host-network pods and finished ones do not own their addresses. */
export function addressesOfPod(pod: Pod | undefined): Pod['ips'] {
  return pod === undefined || pod.hostNetwork || pod.finished ? [] : pod.ips
}

function* podAddresses({ pods }: DnsStores): Iterable<DnsModel['pods'][number]> {
  for (const pod of pods?.values() ?? []) {
    for (const address of addressesOfPod(pod)) yield { namespace: pod.namespace, address }
  }
}

/**
 * Tells which parts of the model may have changed, at each change of a store.
 *
 * @param tell Keys of Services to look at again, and whole steps for namespaces.
 * @returns Ends it.
 */
export function watchStores(stores: DnsStores, tell: { readonly service: (key: string) => void, readonly pod: (namespace: string, address: Pod['ips'][number]) => void, readonly change: (change: ModelChange) => void }): () => void {
  stores.endpointSlices.addIndex(sliceIndex, (slice) => (slice.serviceName === '' ? undefined : `${slice.namespace}/${slice.serviceName}`))
  const ends = [
    stores.services.subscribe(({ key }) => tell.service(key), { replay: true }),
    stores.endpointSlices.subscribe((change) => {
      for (const slice of [change.old, change.new]) {
        if (slice !== undefined && slice.serviceName !== '') tell.service(`${slice.namespace}/${slice.serviceName}`)
      }
    }),
    stores.namespaces.subscribe(({ key, kind }) => tell.change({ kind: 'namespace', name: key, present: kind !== 'removed' }), { replay: true }),
    stores.pods?.subscribe((change) => {
      for (const pod of [change.old, change.new]) {
        for (const address of addressesOfPod(pod)) tell.pod(pod!.namespace, address)
      }
    }, { replay: true }),
  ]
  return () => {
    for (const end of ends) end?.()
  }
}

// Read first: Kubernetes DNS-Based Service Discovery 1.1.0 (kubernetes/dns docs/specification.md), sections 2.3 to 2.5.
import { formatIp, type IpAddress } from '@weft/ip'
import { DnsError } from '../dns-error.ts'
import { type DnsEndpoint, type DnsPort, type DnsService, serviceKey } from '../model.ts'
import { type Name, nameBelow, parseName } from '../wire/name.ts'
import { isLabel, labelBytes, labelsKey } from './label.ts'
import { type NodeRecords, noRecords, type SrvTarget } from './node-records.ts'

/** One address that answers to one name in the reverse zones. The name is made when asked for: {@link pointerTarget}. */
export interface Pointer {
  readonly address: IpAddress
  /** The Service itself comes before its headless endpoints, those before endpoints of other Services. */
  readonly rank: 0 | 1 | 2
  readonly service: DnsService
  /** The label left of the Service's name; empty for the Service itself. */
  readonly label: string
}

/** Everything the zone knows because of one Service; a change of the Service replaces it as a whole. */
export interface ServiceZone {
  readonly service: DnsService
  /** Wire labels `<service>.<namespace>`. */
  readonly key: string
  /**
   * Records by the wire labels left of the Service's name; the Service itself is `''`. Made at the first question: most
   * Services are not asked for on a node, and 250 000 endpoints would take a while.
   */
  readonly nodes: ReadonlyMap<string, NodeRecords>
  readonly pointers: readonly Pointer[]
}

export function serviceName({ name, namespace }: DnsService, zone: Name): Name {
  return nameBelow([labelBytes(name), labelBytes(namespace), labelBytes('svc')], zone)
}

export function pointerTarget({ label, service }: Pointer, zone: Name): Name {
  return label === '' ? serviceName(service, zone) : nameBelow([labelBytes(label)], serviceName(service, zone))
}

/** What a dashed address is called: CoreDNS's rule, `10-0-0-1` or `fd00--1`; a final dash gets a 0. */
export function dashedAddress(address: IpAddress): string {
  const dashed = formatIp(address).replaceAll(/[.:]/g, '-')
  const headed = dashed.startsWith('-') ? `0${dashed}` : dashed
  return headed.endsWith('-') ? `${headed}0` : headed
}

/**
 * Names and records of one Service.
 *
 * Promises (DESIGN.md D1, D3): pure; the order of ports and endpoints is the model's; no records (NXDOMAIN) for a
 * headless Service nobody is ready in.
 *
 * @param zone The cluster domain, at most 59 bytes in wire form: then no name below it is too long.
 * @throws {DnsError} `ERR_DNS_OBJECT` when its names cannot stand in a zone.
 */
export function compileService(service: DnsService, zone: Name): ServiceZone {
  const { name, namespace } = service
  if (!isLabel(name) || !isLabel(namespace)) {
    throw new DnsError('ERR_DNS_OBJECT', `Cannot name Service "${serviceKey(service)}": its name or namespace is not a DNS label, want letters, digits and dashes`)
  }
  const alias = service.kind === 'external' ? aliasOf(service) : undefined
  let nodes: ReadonlyMap<string, NodeRecords> | undefined
  return {
    service,
    key: labelsKey(name, namespace),
    get nodes() {
      nodes ??= alias === undefined ? serviceNodes(service, serviceName(service, zone)) : new Map([['', { ...noRecords, alias }]])
      return nodes
    },
    pointers: pointersOf(service),
  }
}

function serviceNodes(service: DnsService, owner: Name): ReadonlyMap<string, NodeRecords> {
  const nodes = new Map<string, NodeRecords>()
  const addresses = service.kind === 'cluster' ? service.addresses : service.endpoints.map((endpoint) => endpoint.address)
  if (addresses.length === 0) return nodes
  const endpoints = namedEndpoints(service, owner)
  const targets: readonly Target[] = service.kind === 'cluster' ? [{ target: owner, addresses, ports: service.ports }] : [...endpoints.values()]
  nodes.set('', { v4: ofFamily(addresses, 4), v6: ofFamily(addresses, 6), srv: srvRecords(targets, () => true), alias: undefined })
  for (const { hostname, addresses: own } of endpoints.values()) {
    nodes.set(labelsKey(hostname), { ...noRecords, v4: ofFamily(own, 4), v6: ofFamily(own, 6) })
  }
  const ports = new Map(targets.flatMap((target) => target.ports).map((port) => [`${port.name}/${port.protocol}`, port]))
  for (const { name: port, protocol } of ports.values()) {
    if (!isLabel(`_${port}`) || port === '') continue
    const below = `_${protocol}`
    if (!nodes.has(labelsKey(below))) nodes.set(labelsKey(below), noRecords)
    const srv = srvRecords(targets, (candidate) => candidate.name === port && candidate.protocol === protocol)
    // The addresses answer here too, as CoreDNS has it (DNS-48).
    nodes.set(labelsKey(`_${port}`, below), { ...nodes.get('')!, srv })
  }
  return nodes
}

interface Target {
  readonly target: Name
  readonly addresses: readonly IpAddress[]
  readonly ports: readonly DnsPort[]
}

interface NamedEndpoint extends Target {
  readonly hostname: string
  readonly addresses: IpAddress[]
  readonly ports: DnsPort[]
}

/** Endpoints by the label they are known under; those that share a hostname share a name. */
function namedEndpoints(service: DnsService, owner: Name): Map<string, NamedEndpoint> {
  const named = new Map<string, NamedEndpoint>()
  for (const endpoint of service.endpoints) {
    const hostname = labelOf(endpoint)
    let known = named.get(hostname)
    if (known === undefined) named.set(hostname, known = { hostname, target: nameBelow([labelBytes(hostname)], owner), addresses: [], ports: [] })
    known.addresses.push(endpoint.address)
    for (const port of endpoint.ports) {
      if (!known.ports.some((other) => other.name === port.name && other.protocol === port.protocol && other.port === port.port)) known.ports.push(port)
    }
  }
  return named
}

function labelOf(endpoint: DnsEndpoint): string {
  return isLabel(endpoint.hostname) ? endpoint.hostname.toLowerCase() : dashedAddress(endpoint.address)
}

/** Weights share 100 among all addresses behind the records, at least 1 each (CoreDNS's rule, DNS-49). */
function srvRecords(targets: readonly Target[], wanted: (port: DnsPort) => boolean): SrvTarget[] {
  let shares = 0
  const found: { target: Target, port: number }[] = []
  for (const target of targets) {
    const ports = target.ports.filter(wanted)
    shares += target.addresses.length * ports.length
    for (const port of new Set(ports.map((each) => each.port))) found.push({ target, port })
  }
  const weight = Math.max(1, Math.floor(100 / Math.max(1, shares)))
  return found.map(({ target, port }) => ({ priority: 0, weight, port, target: target.target, addresses: target.addresses }))
}

function pointersOf(service: DnsService): Pointer[] {
  const pointers: Pointer[] = service.addresses.map((address) => ({ address, rank: 0, service, label: '' }))
  const rank = service.kind === 'headless' ? 1 : 2
  for (const endpoint of service.endpoints) pointers.push({ address: endpoint.address, rank, service, label: labelOf(endpoint) })
  return pointers
}

function aliasOf(service: DnsService): Name {
  try {
    return parseName(service.externalName)
  } catch (error) {
    throw new DnsError('ERR_DNS_OBJECT', `Cannot alias Service "${serviceKey(service)}": externalName ${JSON.stringify(service.externalName)} is not a domain name, want one`, { cause: error })
  }
}

function ofFamily(addresses: readonly IpAddress[], family: 4 | 6): readonly IpAddress[] {
  return addresses.filter((address) => address.family === family)
}

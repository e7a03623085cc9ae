import type { Protocol } from '@weft/api'
import { type Cidr, formatIp, type IpAddress, type MacAddress, parseIp, parseMac } from '@weft/ip'
import type { Bandwidth } from './bandwidth.ts'
import type { NodeAddresses, StoredAttachment } from './ports.ts'
import type { PortMapping } from './network-config.ts'

/** A host port and where it leads. */
export interface HostPort {
  readonly protocol: Protocol
  readonly hostPort: number
  /** Undefined: every address of the node. */
  readonly hostIp: IpAddress | undefined
  readonly podIp: IpAddress
  readonly containerPort: number
}

/** What beyond a rate is dropped on a pod's link. */
export interface PodLimit {
  readonly hostIfname: string
  readonly direction: 'ingress' | 'egress'
  readonly bytesPerSecond: number
  readonly burstBytes: number
}

/** A pod whose link is a port of the bridge. */
export type BridgePort = Pick<StoredAttachment, 'hostIfname' | 'ips'>

/** What table `weft-cni` is made of. */
export interface CniModel {
  readonly hostPorts: readonly HostPort[]
  readonly limits?: readonly PodLimit[] | undefined
  readonly node: NodeAddresses
  /** What leaves these networks takes an address of the node. Empty where somebody else sees to it. */
  readonly masquerade?: readonly Cidr[] | undefined
}

/** What cni keeps in the `data` of an attachment. */
export interface AttachmentData {
  /** Name of the network configuration, so that GC of one network leaves another alone. */
  readonly network: string
  /** Of the pod's end of the link: what the node's neighbour entry says. */
  readonly podMac: MacAddress
  readonly portMappings: readonly PortMapping[]
  readonly bandwidth?: Bandwidth | undefined
  /** Of the link, in bytes. */
  readonly mtu: number
  /** The node's end is a port of the bridge. */
  readonly bridged: boolean
}

export function formatData({ network, podMac, portMappings, bandwidth, mtu, bridged }: AttachmentData): string {
  return JSON.stringify({ network, podMac, bandwidth, mtu, ...bridged ? { bridged } : {}, ports: portMappings.map(({ hostIp, ...mapping }) => ({ ...mapping, ...hostIp === undefined ? {} : { hostIp: formatIp(hostIp) } })) })
}

interface StoredData {
  readonly network: string
  readonly podMac: string
  readonly bandwidth?: Bandwidth
  /** Absent in what an older version wrote. */
  readonly mtu?: number
  /** Absent where there is no bridge. */
  readonly bridged?: boolean
  readonly ports: readonly (Omit<PortMapping, 'hostIp'> & { readonly hostIp?: string })[]
}

const usualMtu = 1500

/** @param text As {@link formatData} wrote it. */
export function parseData(text: string): AttachmentData {
  const { network, podMac, bandwidth, mtu = usualMtu, bridged = false, ports }: StoredData = JSON.parse(text)
  return { network, podMac: parseMac(podMac), bandwidth, mtu, bridged, portMappings: ports.map((port) => ({ ...port, hostIp: port.hostIp === undefined ? undefined : parseIp(port.hostIp) })) }
}

/** Host ports of one attachment: each mapping in each family it can be served in (NET-33). */
export function hostPortsOf({ ips }: Pick<StoredAttachment, 'ips'>, mappings: readonly PortMapping[]): readonly HostPort[] {
  return mappings.flatMap((mapping) => ips
    .filter((podIp) => mapping.hostIp === undefined || mapping.hostIp.family === podIp.family)
    .map((podIp) => ({ ...mapping, podIp })))
}

/** `TCP 8080`, or `TCP 192.0.2.1:8080`; two host ports with the same text and family cannot both exist. */
export function hostPortKey({ protocol, hostPort, hostIp, podIp }: HostPort): string {
  return `${protocol} ${hostIp === undefined ? `ipv${podIp.family}` : formatIp(hostIp)}:${hostPort}`
}

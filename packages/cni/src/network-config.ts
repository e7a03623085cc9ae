import { type RangeSet, type RangeSetText, rangeSetsSchema, readRangeSets } from '@weft/allocator'
import type { Protocol } from '@weft/api'
import { type IpAddress, isUnspecified, type MacAddress, parseInterfaceAddress, parseIp, parseMac } from '@weft/ip'
import { z } from 'zod'
import { type Bandwidth, bandwidthSchema, readBandwidth } from './bandwidth.ts'
import { CniError } from './cni-error.ts'
import { type CniResult, decodeResult, type ResultDns } from './cni-result.ts'
import { type CniVersion, parseCniVersion } from './version.ts'
import { messageOf } from './message-of.ts'

/** One `hostPort` of a pod. */
export interface PortMapping {
  readonly hostPort: number
  readonly containerPort: number
  readonly protocol: Protocol
  /** Undefined: every address of the node. */
  readonly hostIp: IpAddress | undefined
}

/** The network configuration the runtime passes on stdin, as far as it concerns us. */
export interface NetworkConfig {
  readonly cniVersion: CniVersion
  readonly name: string
  readonly prevResult: CniResult | undefined
  /** Of the runtime, else of the configuration itself (CNI-30). */
  readonly dns: ResultDns | undefined
  readonly bandwidth: Bandwidth | undefined
  readonly portMappings: readonly PortMapping[]
  /** Where addresses come from instead of the node's ranges: capability `ipRanges` before `ipam.ranges` (IPAM-10). */
  readonly ranges: readonly RangeSet[]
  /** Addresses asked for by `runtimeConfig.ips`, `args.cni.ips` or the pod's annotation. */
  readonly ips: readonly IpAddress[]
  readonly mac: MacAddress | undefined
  /** GC only: what the runtime still knows; undefined if it did not say. */
  readonly validAttachments: readonly { readonly containerId: string, readonly ifname: string }[] | undefined
}

/**
 * Lets keys of an object be written in any case. The conventions say `hostPort`, containerd writes `HostPort` (its structures have no names for
 * JSON), and plugins written in Go take both.
 */
function inAnyCase(...names: readonly string[]): (value: unknown) => unknown {
  const spelling = new Map(names.map((name) => [name.toLowerCase(), name]))
  return (value) => typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value).map(([key, field]: [string, unknown]) => [spelling.get(key.toLowerCase()) ?? key, field])) : value
}

/** Annotation of a pod: the addresses it wants, comma-separated. Containerd hands annotations over as a capability. */
const ipsAnnotation = 'weft.dev/ips'

const portMapping = z.preprocess(inAnyCase('hostPort', 'containerPort', 'protocol', 'hostIP'), z.object({
  hostPort: z.int().min(1).max(65535),
  containerPort: z.int().min(1).max(65535),
  protocol: z.string().toUpperCase().pipe(z.enum(['TCP', 'UDP', 'SCTP'])).default('TCP'),
  hostIP: z.string().optional(),
}))

// Everything else, known to other plugins or to nobody, is not ours to judge (CNI-13).
const configSchema = z.object({
  bandwidth: bandwidthSchema.nullish(),
  dns: z.object({ nameservers: z.array(z.string()).optional(), domain: z.string().optional(), search: z.array(z.string()).optional(), options: z.array(z.string()).optional() }).optional(),
  ipam: z.object({ type: z.string().optional(), ranges: rangeSetsSchema.optional() }).optional(),
  runtimeConfig: z.object({
    ipRanges: rangeSetsSchema.nullish(),
    'io.kubernetes.cri.pod-annotations': z.object({ [ipsAnnotation]: z.string().optional() }).nullish(),
    portMappings: z.array(portMapping).nullish(),
    ips: z.array(z.string()).nullish(),
    mac: z.string().nullish(),
    bandwidth: z.preprocess(inAnyCase('ingressRate', 'ingressBurst', 'egressRate', 'egressBurst'), bandwidthSchema.nullish()),
    dns: z.object({ servers: z.array(z.string()).nullish(), searches: z.array(z.string()).nullish(), options: z.array(z.string()).nullish() }).nullish(),
  }).nullish(),
  args: z.object({ cni: z.object({ ips: z.array(z.string()).nullish(), mac: z.string().nullish() }).nullish() }).nullish(),
  'cni.dev/valid-attachments': z.array(z.object({ containerID: z.string(), ifname: z.string() })).nullish(),
})

const namePattern = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/

/**
 * Reads and checks the configuration (CNI-5, CNI-10, CNI-13).
 *
 * @throws {CniError} Code 6 for text that is not JSON, 1 for a version we do not speak, 7 for values that cannot be used.
 */
export function parseNetworkConfig(stdin: Uint8Array): NetworkConfig {
  const root = parseJson(stdin)
  const { cniVersion, name } = identify(root)
  const parsed = configSchema.safeParse(root)
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
    throw new CniError('ERR_CNI_INVALID_CONFIG', `Cannot use network "${name}": ${problems.join('; ')}`)
  }
  const { dns, bandwidth, ipam, runtimeConfig, args, 'cni.dev/valid-attachments': valid } = parsed.data
  return {
    cniVersion,
    name,
    prevResult: root['prevResult'] === undefined || root['prevResult'] === null ? undefined : decodeResult(root['prevResult']),
    dns: runtimeDns(runtimeConfig?.dns) ?? dns,
    // What the administrator wrote down wins over what the pod asks for (CNI-46).
    bandwidth: readValue(name, 'bandwidth', bandwidth ?? runtimeConfig?.bandwidth, readBandwidth),
    portMappings: (runtimeConfig?.portMappings ?? []).map(({ hostIP, ...mapping }) => ({ ...mapping, hostIp: parseHostIp(name, hostIP) })),
    ranges: readRanges(name, ipam, runtimeConfig?.ipRanges ?? []),
    ips: (runtimeConfig?.ips ?? args?.cni?.ips ?? annotatedIps(runtimeConfig?.['io.kubernetes.cri.pod-annotations']?.[ipsAnnotation])).map((text) => readValue(name, 'ips', text, parseRequestedIp)),
    mac: readOptional(name, 'mac', runtimeConfig?.mac ?? args?.cni?.mac, parseMac),
    validAttachments: valid?.map(({ containerID, ifname }) => ({ containerId: containerID, ifname })),
  }
}

/**
 * Reads of which network a configuration is and nothing else. For DEL: what was refused at ADD, or is no longer readable in the runtime's cache
 * (CNI-36), must not keep a pod from ending.
 *
 * @throws {CniError} As {@link parseNetworkConfig}, save for values.
 */
export function parseNetworkIdentity(stdin: Uint8Array): NetworkConfig {
  return { ...identify(parseJson(stdin)), prevResult: undefined, dns: undefined, bandwidth: undefined, portMappings: [], ranges: [], ips: [], mac: undefined, validAttachments: undefined }
}

function identify(root: Readonly<Record<string, unknown>>): Pick<NetworkConfig, 'cniVersion' | 'name'> {
  const cniVersion = parseCniVersion(root['cniVersion'])
  const name = root['name']
  if (typeof name !== 'string' || name === '') throw new CniError('ERR_CNI_INVALID_CONFIG', 'missing network name')
  if (!namePattern.test(name)) throw new CniError('ERR_CNI_INVALID_CONFIG', `invalid characters found in network name: "${name}"`)
  return { cniVersion, name }
}

/** With or without a prefix length (IPAM-8); the length is the network's business, ours is one address. */
export function parseRequestedIp(text: string): IpAddress {
  return text.includes('/') ? parseInterfaceAddress(text).address : parseIp(text)
}

function parseJson(stdin: Uint8Array): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(stdin).toString('utf8'))
  } catch (error) {
    throw new CniError('ERR_CNI_DECODE', `error unmarshall network config: ${messageOf(error)}`, { cause: error })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new CniError('ERR_CNI_DECODE', 'error unmarshall network config: it is not an object')
  return Object.fromEntries(Object.entries(value))
}

/** Sets of the runtime come first, and an attachment has one address of a family. */
function readRanges(network: string, ipam: { readonly type?: string | undefined, readonly ranges?: readonly RangeSetText[] | undefined } | undefined, ofRuntime: readonly RangeSetText[]): readonly RangeSet[] {
  const { type = '', ranges = [] } = ipam ?? {}
  // Another plugin would have to be started, and nothing here starts programs (CNI-42).
  if (type !== '') throw new CniError('ERR_CNI_UNSUPPORTED_FIELD', `Cannot use network "${network}": ipam.type is "${type}", wanted none: addresses come from ipam.ranges, capability ipRanges or the node's ranges`)
  const first = readValue(network, 'ipRanges', ofRuntime, readRangeSets)
  const families = new Set(first.map((set) => set[0]?.subnet.family))
  return [...first, ...readValue(network, 'ipam.ranges', ranges, readRangeSets).filter((set) => !families.has(set[0]?.subnet.family))]
}

function annotatedIps(text: string | undefined): readonly string[] {
  return (text ?? '').split(',').map((part) => part.trim()).filter((part) => part !== '')
}

function parseHostIp(network: string, text: string | undefined): IpAddress | undefined {
  const address = readOptional(network, 'portMappings.hostIP', text, parseIp)
  return address === undefined || isUnspecified(address) ? undefined : address
}

function readOptional<T>(network: string, key: string, text: string | null | undefined, parse: (text: string) => T): T | undefined {
  return text === undefined || text === null || text === '' ? undefined : readValue(network, key, text, parse)
}

/** Capability `dns` has names of its own for what a result calls `nameservers` and `search`. */
function runtimeDns(dns: { readonly servers?: readonly string[] | null | undefined, readonly searches?: readonly string[] | null | undefined, readonly options?: readonly string[] | null | undefined } | null | undefined): ResultDns | undefined {
  return dns === null || dns === undefined ? undefined : { nameservers: dns.servers ?? [], search: dns.searches ?? [], ...dns.options ? { options: dns.options } : {} }
}

function readValue<V, T>(network: string, key: string, value: V, parse: (value: V) => T): T {
  try {
    return parse(value)
  } catch (error) {
    throw new CniError('ERR_CNI_INVALID_CONFIG', `Cannot use network "${network}": ${key} has ${JSON.stringify(value)}`, { details: messageOf(error), cause: error })
  }
}

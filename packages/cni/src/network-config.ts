import { type RangeSet, type RangeSetText, rangeSetsSchema, readRangeSets } from '@weft/allocator'
import type { Protocol } from '@weft/api'
import { type IpAddress, isUnspecified, type MacAddress, parseInterfaceAddress, parseIp, parseMac } from '@weft/ip'
import { type AttachmentRequest, CniError, type PluginConfig, type ResultDns } from '@weft/plugin'
import { z } from 'zod'
import type { Sysctls } from './pod-sysctls.ts'
import { type Bandwidth, bandwidthSchema, readBandwidth } from './bandwidth.ts'
import { messageOf } from '@weft/daemon/message-of'

/** ADD or CHECK of a pod's interface. */
export type PodRequest = AttachmentRequest<NetworkConfig>

/** One `hostPort` of a pod. */
export interface PortMapping {
  readonly hostPort: number
  readonly containerPort: number
  readonly protocol: Protocol
  /** Undefined: every address of the node. */
  readonly hostIp: IpAddress | undefined
}

/** What the configuration of a network says to us alone; every attachment has one. */
export interface NetworkConfig {
  /** Of the runtime, else of the configuration itself (CNI-30). */
  readonly dns: ResultDns | undefined
  readonly bandwidth: Bandwidth | undefined
  readonly portMappings: readonly PortMapping[]
  /** Where addresses come from instead of the node's ranges: capability `ipRanges` before `ipam.ranges` (IPAM-10). */
  readonly ranges: readonly RangeSet[]
  /** Addresses asked for by `runtimeConfig.ips`, `args.cni.ips` or the pod's annotation. */
  readonly ips: readonly IpAddress[]
  readonly mac: MacAddress | undefined
  /** Of the pod's namespace, by name; `IFNAME` stands for the interface. */
  readonly sysctls: Sysctls
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

const configSchema = z.object({
  bandwidth: bandwidthSchema.nullish(),
  sysctl: z.record(z.string(), z.string()).nullish(),
  dns: z.object({ nameservers: z.array(z.string()).optional(), domain: z.string().optional(), search: z.array(z.string()).optional(), options: z.array(z.string()).optional() }).optional(),
  ipam: z.looseObject({ type: z.string().optional(), ranges: rangeSetsSchema.optional() }).optional(),
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
})

/** What the specification has for every plugin and for runtimes; keys that begin with `cni.dev/` are theirs too. */
const everyPlugins: readonly string[] = ['cniVersion', 'name', 'type', 'prevResult', 'capabilities']

/**
 * Keys that nobody here reads. They are no reason to refuse a network (CNI-13), and whoever wrote them should hear of it: what they ask for is not done.
 */
export function unreadKeys({ fields }: PluginConfig): readonly string[] {
  return Object.keys(fields).filter((key) => !(key in configSchema.shape) && !everyPlugins.includes(key) && !key.startsWith('cni.dev/'))
}

/**
 * Reads and checks what of a configuration is ours.
 *
 * @throws {CniError} Code 7 for values that cannot be used, 2 for a field that asks for what we do not do.
 */
export function readNetworkConfig({ name, fields }: PluginConfig): NetworkConfig {
  const parsed = configSchema.safeParse(fields)
  if (!parsed.success) {
    const problems = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
    throw new CniError('ERR_CNI_INVALID_CONFIG', `Cannot use network "${name}": ${problems.join('; ')}`)
  }
  const { dns, bandwidth, sysctl, ipam, runtimeConfig, args } = parsed.data
  return {
    dns: runtimeDns(runtimeConfig?.dns) ?? dns,
    // What the administrator wrote down wins over what the pod asks for (CNI-46).
    bandwidth: readValue(name, 'bandwidth', bandwidth ?? runtimeConfig?.bandwidth, readBandwidth),
    portMappings: (runtimeConfig?.portMappings ?? []).map(({ hostIP, ...mapping }) => ({ ...mapping, hostIp: parseHostIp(name, hostIP) })),
    ranges: readRanges(name, ipam, runtimeConfig?.ipRanges ?? []),
    ips: (runtimeConfig?.ips ?? args?.cni?.ips ?? annotatedIps(runtimeConfig?.['io.kubernetes.cri.pod-annotations']?.[ipsAnnotation])).map((text) => readValue(name, 'ips', text, parseRequestedIp)),
    mac: readOptional(name, 'mac', runtimeConfig?.mac ?? args?.cni?.mac, parseMac),
    sysctls: sysctl ?? {},
  }
}

/** With or without a prefix length (IPAM-8); the length is the network's business, ours is one address. */
export function parseRequestedIp(text: string): IpAddress {
  return text.includes('/') ? parseInterfaceAddress(text).address : parseIp(text)
}

/** Sets of the runtime come first, and an attachment has one address of a family. */
function readRanges(network: string, ipam: { readonly type?: string | undefined, readonly ranges?: readonly RangeSetText[] | undefined } | undefined, ofRuntime: readonly RangeSetText[]): readonly RangeSet[] {
  const { type = '', ranges = [], ...others } = ipam ?? {}
  // Another plugin would have to be started, and nothing here starts programs (CNI-42).
  if (type !== '') throw new CniError('ERR_CNI_UNSUPPORTED_FIELD', `Cannot use network "${network}": ipam.type is "${type}", wanted none: addresses come from ipam.ranges, capability ipRanges or the node's ranges`)
  // Whoever writes `subnet` wants its addresses and no others.
  const [unknown] = Object.entries(others)
  if (unknown !== undefined) throw new CniError('ERR_CNI_UNSUPPORTED_FIELD', `Cannot use network "${network}": ipam.${unknown[0]} is ${JSON.stringify(unknown[1])}, wanted nothing in ipam but ranges`)
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

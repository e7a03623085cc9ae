import { type RangeSet, type RangeSetText, rangeSetsSchema, readRangeSets } from '@weft/allocator'
import { messageOf } from '@weft/daemon/message-of'
import { formatCidr, formatIp, type IpAddress, parseCidr, parseInterfaceAddress, parseIp } from '@weft/ip'
import { CniError, type PluginConfig, type ResultRoute } from '@weft/plugin'
import { z } from 'zod'

/** What a network says to an IPAM plugin. */
export interface IpamNetwork {
  /** Empty: the ranges this service has by itself. */
  readonly ranges: readonly RangeSet[]
  readonly routes: readonly ResultRoute[]
  /** A file whose words become the result's `dns`. */
  readonly resolvConf: string | undefined
  /** Addresses asked for by `runtimeConfig.ips` or `args.cni.ips`. */
  readonly ips: readonly IpAddress[]
}

// In the words of host-local; what else is there belongs to the plugin that delegates (CNI-13).
const configSchema = z.object({
  ipam: z.object({
    ranges: rangeSetsSchema.optional(),
    subnet: z.string().optional(), rangeStart: z.string().optional(), rangeEnd: z.string().optional(), gateway: z.string().optional(),
    routes: z.array(z.object({ dst: z.string(), gw: z.string().optional(), mtu: z.int().optional(), advmss: z.int().optional(), priority: z.int().optional(), table: z.int().optional(), scope: z.int().optional() })).optional(),
    resolvConf: z.string().optional(),
  }),
  runtimeConfig: z.object({ ipRanges: rangeSetsSchema.nullish(), ips: z.array(z.string()).nullish() }).nullish(),
  args: z.object({ cni: z.object({ ips: z.array(z.string()).nullish() }).nullish() }).nullish(),
})

/**
 * Reads the part of a configuration that is an IPAM plugin's.
 *
 * @throws {CniError} Code 7 with what cannot be used.
 */
export function readIpamNetwork({ name, fields }: PluginConfig): IpamNetwork {
  const refuse = (problem: string, cause?: unknown): CniError => new CniError('ERR_CNI_INVALID_CONFIG', `Cannot use network "${name}": ${problem}`, { cause })
  const parsed = configSchema.safeParse(fields)
  if (!parsed.success) throw refuse(parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '))
  const { ipam, runtimeConfig, args } = parsed.data
  const { subnet, rangeStart, rangeEnd, gateway } = ipam
  const own: readonly RangeSetText[] = [...subnet === undefined ? [] : [[{ subnet, rangeStart, rangeEnd, gateway }]], ...ipam.ranges ?? []]
  try {
    const first = readRangeSets(runtimeConfig?.ipRanges ?? [])
    const families = new Set(first.map((set) => set[0]?.subnet.family))
    return {
      // What the runtime asks for comes before what is written down (IPAM-10); an attachment has one address of a family.
      ranges: [...first, ...readRangeSets(own).filter((set) => !families.has(set[0]?.subnet.family))],
      routes: (ipam.routes ?? []).map(({ dst, gw, ...rest }) => ({ dst: formatCidr(parseCidr(dst)), ...gw === undefined ? {} : { gw: formatIp(parseIp(gw)) }, ...rest })),
      resolvConf: ipam.resolvConf,
      ips: (runtimeConfig?.ips ?? args?.cni?.ips ?? []).map(parseRequested),
    }
  } catch (error) {
    throw refuse(messageOf(error), error)
  }
}

/** With or without a prefix length (IPAM-8). */
export function parseRequested(text: string): IpAddress {
  return text.includes('/') ? parseInterfaceAddress(text).address : parseIp(text)
}

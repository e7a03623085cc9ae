import { durationSchema } from '@weft/daemon'
import { dnsPort, type ListenAddress, listenAddressSchema } from '@weft/api'
import { parseCidr } from '@weft/ip'
import { z } from 'zod'
import { parseName } from './wire/name.ts'

/** How names outside the cluster are asked for. */
export interface ForwardConfig {
  readonly upstreams: readonly ListenAddress[]
  readonly resolvConf: string
  readonly stubDomains: Readonly<Record<string, readonly ListenAddress[]>>
  readonly hedgeAfter: number
  readonly timeout: number
  readonly maxConcurrent: number
  readonly caseRandomisation: boolean
}

export interface CacheConfig {
  readonly maxEntries: number
  readonly maxBytes: number
  readonly maxTtlSeconds: number
  readonly maxNegativeTtlSeconds: number
  readonly serveStale: number
  readonly prefetch: boolean
}

export interface TcpConfig {
  readonly maxConnections: number
  readonly maxConnectionsPerClient: number
  readonly idleTimeout: number
  readonly messageTimeout: number
  readonly maxPendingBytes: number
}

export type PodMode = 'disabled' | 'insecure' | 'verified'

/** The parsed configuration; durations (`lameduck`, `tcp.idleTimeout`, …) are milliseconds. */
export interface DnsConfig {
  readonly zone: string
  readonly ttlSeconds: number
  readonly reverseRanges: readonly string[]
  readonly pods: PodMode
  readonly service: string
  readonly listen: readonly ListenAddress[]
  readonly clients: readonly string[]
  readonly maxQueriesPerClient: number
  readonly maxUdpBytes: number
  readonly workers: number
  readonly lameduck: number
  readonly tcp: TcpConfig
  readonly forward: ForwardConfig
  readonly cache: CacheConfig
}

function accepts(parse: (text: string) => unknown, text: string): boolean {
  try {
    parse(text)
    return true
  } catch {
    return false
  }
}

const domain = z.string().refine((text) => accepts(parseName, text), { error: 'not a domain name' })
const cidr = z.string().refine((text) => accepts(parseCidr, text), { error: 'not a network in CIDR form' })
const seconds = (maximum: number): z.ZodNumber => z.number().int().min(0).max(maximum)

/** What three labels of 63 bytes and `svc` leave of a name's 255 bytes. */
const maxZoneBytes = 255 - 3 * 64 - 4

const tcpSchema = z.strictObject({
  maxConnections: z.number().int().min(1).default(1000).describe('TCP connections at a time; when all are taken the one that was idle longest makes room'),
  maxConnectionsPerClient: z.number().int().min(1).default(100).describe('TCP connections at a time from one address'),
  idleTimeout: durationSchema.prefault('10s').describe('how long a TCP connection may be silent between messages; one from 127.0.0.1, as the agent holds, as long as it likes'),
  messageTimeout: durationSchema.prefault('3s').describe('how long one message may take to arrive over TCP'),
  maxPendingBytes: z.number().int().min(65_537).default(262_144).describe('answers waiting for a slow TCP client; reading from it stops at this size'),
})

const forwardSchema = z.strictObject({
  upstreams: z.array(listenAddressSchema(53)).max(15).default([]).describe('resolvers for names outside the cluster, first healthy one preferred; empty: those of resolvConf'),
  resolvConf: z.string().default('/etc/resolv.conf').describe('file whose nameserver lines are used when upstreams is empty; "" for none'),
  stubDomains: z.record(domain, z.array(listenAddressSchema(53)).min(1)).default({}).describe('domains with resolvers of their own, e.g. a company domain'),
  hedgeAfter: durationSchema.prefault('500ms').describe('how long an upstream may be silent before the next one is asked as well'),
  timeout: durationSchema.prefault('4s').describe('when a question is given up; below the 5 s after which clients ask again'),
  maxConcurrent: z.number().int().min(1).default(1000).describe('questions waiting for upstreams at a time; more are refused'),
  caseRandomisation: z.boolean().default(false).describe('mixed-case names in upstream queries as a further secret; turn on if upstreams preserve case'),
})

const cacheSchema = z.strictObject({
  maxEntries: z.number().int().min(0).default(10_000).describe('answers kept, positive and negative each; 0 turns the cache off'),
  maxBytes: z.number().int().min(65_536).default(8_388_608).describe('bytes of kept answers, positive and negative each'),
  maxTtlSeconds: seconds(604_800).default(3600).describe('longest life of a positive answer, whatever its TTL'),
  maxNegativeTtlSeconds: seconds(86_400).default(30).describe('longest life of NXDOMAIN and empty answers'),
  serveStale: durationSchema.prefault('1h').describe('how long past its life an answer may be given while upstreams are silent (RFC 8767); 0s turns it off'),
  prefetch: z.boolean().default(true).describe('refresh names asked for repeatedly shortly before they expire'),
})

/** Configuration of the DNS server. Defaults suit a cluster built with kubeadm. */
export const dnsConfigSchema: z.ZodType<DnsConfig> = z.strictObject({
  zone: domain.refine((text) => !accepts(parseName, text) || parseName(text).length <= maxZoneBytes, { error: 'too long: pod names below it would not fit 255 bytes' }).default('cluster.local').describe('the cluster domain, as kubelet\'s clusterDomain'),
  ttlSeconds: seconds(3600).default(5).describe('TTL of all cluster records; 0 forbids clients to keep them'),
  reverseRanges: z.array(cidr).default([]).describe('ranges whose unknown addresses get NXDOMAIN here; addresses elsewhere are asked upstream'),
  pods: z.enum(['disabled', 'insecure', 'verified']).default('insecure').describe('1-2-3-4.<namespace>.pod names: none, any address in an existing namespace, or those of existing pods only (watches pods)'),
  service: z.string().regex(/^[^/]+\/[^/]+$/, 'not namespace/name').default('kube-system/kube-dns').describe('the Service in front of this server: its addresses are those of ns.dns.<zone>'),
  listen: z.array(listenAddressSchema(dnsPort)).min(1).prefault(['0.0.0.0', '::']).describe('addresses for UDP and TCP; port 10053 when none is said'),
  clients: z.array(cidr).default([]).describe('who may ask; empty: everybody. Set it to node, pod and service ranges when the port is reachable from elsewhere'),
  maxQueriesPerClient: z.number().int().min(0).default(0).describe('UDP answers a second for one address; above it answers ask for TCP instead (so a forged source gets nothing); 0: no limit'),
  maxUdpBytes: z.number().int().min(512).max(4096).default(1232).describe('largest UDP answer; 1232 passes every path without fragments'),
  workers: z.number().int().min(1).max(64).default(1).describe('threads that answer UDP; more than one only for loads beyond one core'),
  lameduck: durationSchema.prefault('5s').describe('how long to go on answering after SIGTERM, so that traffic moves first'),
  tcp: tcpSchema.prefault({}).describe('limits of TCP'),
  forward: forwardSchema.prefault({}).describe('names outside the cluster'),
  cache: cacheSchema.prefault({}).describe('answers from upstreams'),
})

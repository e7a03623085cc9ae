import { type ListenAddress, listenAddressSchema, type NodeName, nodeNameSchema } from '@weft/api'
import { z } from 'zod'
import { type DnsConfig, dnsConfigSchema } from './config.ts'

/** The whole configuration of the DNS program. */
export interface DnsProgramConfig {
  readonly nodeName?: NodeName | undefined
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error'
  readonly adminSocket: string
  readonly health?: ListenAddress | undefined
  readonly kube: { readonly servers: readonly string[], readonly credentialsFolder?: string | undefined, readonly kubeconfig?: string | undefined }
  readonly dns: DnsConfig
}

export const dnsProgramConfigSchema: z.ZodType<DnsProgramConfig> = z.strictObject({
  nodeName: nodeNameSchema.optional().describe('Name of this machine\'s Node object, for Events.'),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info').describe('Least level of log lines.'),
  adminSocket: z.string().default('/run/weft/dns.sock').describe('Unix socket, mode 0600, for health, metrics and the dump of the zone.'),
  health: listenAddressSchema(9153).optional().describe('Address for /healthz, /readyz and /metrics over TCP, for probes and Prometheus; port 9153 when none is said. Absent: the socket only.'),
  kube: z.strictObject({
    servers: z.array(z.url({ protocol: /^https?$/, error: 'not the address of an API server, wanted one like https://192.0.2.10:6443' })).default([]).describe('Real addresses of the API server, tried before the Service address.'),
    credentialsFolder: z.string().optional().describe('Folder with token and ca.crt; by default where Kubernetes mounts the service account.'),
    kubeconfig: z.string().optional().describe('A kubeconfig file instead, for running outside of a cluster.'),
  }).prefault({}).describe('How the API server is reached.'),
  dns: dnsConfigSchema.prefault({}).describe('The DNS server itself.'),
})

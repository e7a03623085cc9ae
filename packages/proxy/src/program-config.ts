import { type ListenAddress, listenAddressSchema, type NodeName, nodeNameSchema } from '@weft/api'
import { z } from 'zod'
import { type ProxyConfig, proxyConfigSchema } from './config.ts'

/** The whole configuration of the standalone proxy. */
export interface ProxyProgramConfig {
  readonly nodeName: NodeName
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error'
  readonly adminSocket: string
  readonly health?: ListenAddress | undefined
  readonly sysctlFolder: string
  readonly kube: { readonly servers: readonly string[], readonly credentialsFolder?: string | undefined, readonly kubeconfig?: string | undefined }
  readonly proxy: ProxyConfig
}

export const proxyProgramConfigSchema: z.ZodType<ProxyProgramConfig> = z.strictObject({
  nodeName: nodeNameSchema.describe("Name of this machine's Node object."),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info').describe('Least level of log lines.'),
  adminSocket: z.string().default('/run/weft/proxy.sock').describe('Unix socket, mode 0600, for health, metrics and the dump of the table.'),
  health: listenAddressSchema(9157).optional().describe('Address for /healthz, /readyz and /metrics over TCP, for probes of this program, whoever has the ports of kube-proxy; port 9157 when none is said. Absent: the socket only.'),
  sysctlFolder: z.string().default('/proc/sys').describe("Where sysctls are written. In a container /proc/sys is read-only: there it is a mount of the node's."),
  kube: z.strictObject({
    servers: z.array(z.url({ protocol: /^https?$/, error: 'not the address of an API server, wanted one like https://192.0.2.10:6443' })).default([]).describe('Real addresses of the API server, tried before the Service address: the proxy cannot wait for a Service it serves itself.'),
    credentialsFolder: z.string().optional().describe('Folder with token and ca.crt; by default where Kubernetes mounts the service account.'),
    kubeconfig: z.string().optional().describe('A kubeconfig file instead, for running outside of a cluster.'),
  }).prefault({}).describe('How the API server is reached.'),
  proxy: proxyConfigSchema.prefault({}).describe('The proxy itself.'),
})

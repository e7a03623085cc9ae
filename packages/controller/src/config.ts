import { type ListenAddress, listenAddressSchema } from '@weft/api'
import { type PoolControllerConfig, poolControllerConfigSchema } from '@weft/ipam'
import { z } from 'zod'

/** The whole configuration of the controller. */
export interface ControllerConfig {
  readonly identity: string
  readonly namespace: string
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error'
  readonly adminSocket: string
  readonly health?: ListenAddress | undefined
  readonly kube: { readonly servers: readonly string[], readonly credentialsFolder?: string | undefined, readonly kubeconfig?: string | undefined }
  readonly pools: PoolControllerConfig
}

export const controllerConfigSchema: z.ZodType<ControllerConfig> = z.strictObject({
  identity: z.string().min(1).describe('Unique among the replicas: the name of the pod.'),
  namespace: z.string().default('kube-system').describe('Where the lease of the leader is.'),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info').describe('Least level of log lines.'),
  adminSocket: z.string().default('/run/weft/controller.sock').describe('Unix socket, mode 0600, for health, metrics and dumps.'),
  health: listenAddressSchema(9155).optional().describe('Address for /healthz, /readyz and /metrics over TCP, for probes and Prometheus; port 9155 when none is said. Absent: the socket only.'),
  kube: z.strictObject({
    servers: z.array(z.url({ protocol: /^https?$/, error: 'not the address of an API server, wanted one like https://192.0.2.10:6443' })).default([]).describe('Real addresses of the API server, tried before the Service address.'),
    credentialsFolder: z.string().optional().describe('Folder with token and ca.crt; by default where Kubernetes mounts the service account.'),
    kubeconfig: z.string().optional().describe('A kubeconfig file instead, for running outside of a cluster.'),
  }).prefault({}).describe('How the API server is reached.'),
  pools: poolControllerConfigSchema.prefault({}).describe('See packages/ipam.'),
})

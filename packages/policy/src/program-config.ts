import { type ListenAddress, listenAddressSchema, type NodeName, nodeNameSchema } from '@weft/api'
import { z } from 'zod'
import { type PolicyConfig, policyConfigSchema } from './config.ts'

/** The whole configuration of the policy program. */
export interface PolicyProgramConfig {
  readonly nodeName: NodeName
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error'
  readonly adminSocket: string
  readonly health?: ListenAddress | undefined
  readonly kube: { readonly servers: readonly string[], readonly credentialsFolder?: string | undefined, readonly kubeconfig?: string | undefined }
  readonly unknownPods: 'closed' | 'open'
  readonly policy: PolicyConfig
}

export const policyProgramConfigSchema: z.ZodType<PolicyProgramConfig> = z.strictObject({
  nodeName: nodeNameSchema.describe('Name of this machine\'s Node object: its pods are protected.'),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info').describe('Least level of log lines; `trace` has every transaction as nft commands.'),
  adminSocket: z.string().default('/run/weft/policy.sock').describe('Unix socket, mode 0600, for health, metrics and the dump of the table.'),
  health: listenAddressSchema(9156).optional().describe('Address for /healthz, /readyz and /metrics over TCP, for probes and Prometheus; port 9156 when none is said. Absent: the socket only.'),
  kube: z.strictObject({
    servers: z.array(z.url({ protocol: /^https?$/, error: 'not the address of an API server, wanted one like https://192.0.2.10:6443' })).default([]).describe('Real addresses of the API server, tried before the Service address.'),
    credentialsFolder: z.string().optional().describe('Folder with token and ca.crt; by default where Kubernetes mounts the service account.'),
    kubeconfig: z.string().optional().describe('A kubeconfig file instead, for running outside of a cluster.'),
  }).prefault({}).describe('How the API server is reached.'),
  unknownPods: z.enum(['closed', 'open']).default('closed')
    .describe('What becomes of addresses of the Node\'s podCIDRs that no pod of the API has. A pod has its address in the API about a second after it has started: `closed` lets nothing through until then; `open` is for programs that give up when they have no network at once, and lets them through without their policies.'),
  policy: policyConfigSchema.prefault({}).describe('The policy engine itself.'),
})

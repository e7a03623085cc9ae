import { type NodeName, nodeNameSchema } from '@weft/api'
import { z } from 'zod'
import { type OverlayConfig, overlayConfigSchema } from './config.ts'

/** The whole configuration of the standalone program. */
export interface OverlayProgramConfig {
  readonly nodeName: NodeName
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error'
  readonly adminSocket: string
  /** Whether IPBlock objects say which node has which range, besides `spec.podCIDRs`. */
  readonly blocks: boolean
  readonly kube: { readonly servers: readonly string[], readonly credentialsFolder?: string | undefined, readonly kubeconfig?: string | undefined }
  readonly overlay: OverlayConfig
}

export const overlayProgramConfigSchema: z.ZodType<OverlayProgramConfig> = z.strictObject({
  nodeName: nodeNameSchema.describe("Name of this machine's Node object."),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info').describe('Least level of log lines.'),
  adminSocket: z.string().default('/run/weft/overlay.sock').describe('Unix socket, mode 0600, for health, metrics and the dump of paths.'),
  blocks: z.boolean().default(false).describe('Follow IPBlock objects too. On where Weft assigns addresses in blocks; needs the CRD.'),
  kube: z.strictObject({
    servers: z.array(z.url({ protocol: /^https?$/, error: 'not the address of an API server, wanted one like https://192.0.2.10:6443' })).default([]).describe('Real addresses of the API server, tried before the Service address.'),
    credentialsFolder: z.string().optional().describe('Folder with token and ca.crt; by default where Kubernetes mounts the service account.'),
    kubeconfig: z.string().optional().describe('A kubeconfig file instead, for running outside of a cluster.'),
  }).prefault({}).describe('How the API server is reached.'),
  overlay: overlayConfigSchema.prefault({}).describe('The overlay itself.'),
})

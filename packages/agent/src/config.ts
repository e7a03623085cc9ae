import { type ListenAddress, listenAddressSchema, type NodeName, nodeNameSchema } from '@weft/api'
import { type CniConfig, cniConfigSchema } from '@weft/cni'
import { type IpamConfig, ipamConfigSchema } from '@weft/ipam'
import { type OverlayConfig, overlayConfigSchema } from '@weft/overlay'
import { type PolicyConfig, policyConfigSchema } from '@weft/policy'
import { type ProxyConfig, proxyConfigSchema } from '@weft/proxy'
import { durationSchema } from '@weft/daemon'
import { z } from 'zod'

export interface ConnectionConfig {
  readonly servers: readonly string[]
  readonly serversPath: string
  readonly credentialsFolder?: string | undefined
  readonly kubeconfig?: string | undefined
}

/** Where the container runtime looks for plugins and networks. */
interface InstallConfig {
  readonly binDir: string
  readonly confDir: string
  readonly plugin?: string | undefined
}

/** How the DNS server on this node is watched. */
interface LocalDnsConfig {
  readonly name: string
  readonly interval: number
  readonly timeout: number
}

/** The whole configuration of a node's agent; each part is that of its package. */
export interface AgentConfig {
  readonly nodeName: NodeName
  readonly logLevel: 'trace' | 'debug' | 'info' | 'warn' | 'error'
  readonly adminSocket: string
  readonly health?: ListenAddress | undefined
  readonly sysctlFolder: string
  readonly kube: ConnectionConfig
  readonly install?: InstallConfig | undefined
  readonly cni: CniConfig
  readonly ipam: IpamConfig
  readonly overlay: OverlayConfig
  readonly proxy: ProxyConfig
  readonly localDns: LocalDnsConfig
  readonly policy: PolicyConfig
}

const connectionSchema: z.ZodType<ConnectionConfig> = z.strictObject({
  servers: z.array(z.url({ protocol: /^https?$/, error: 'not the address of an API server, wanted one like https://192.0.2.10:6443' })).default([])
    .describe('Real addresses of the API server, tried before the Service address: what brings the network up cannot wait for a Service that needs it.'),
  serversPath: z.string().default('/var/lib/cni/weft/api-servers.json')
    .describe('Where the addresses of the API server that the agent learned are kept for its next start.'),
  credentialsFolder: z.string().optional().describe('Folder with token and ca.crt; by default where Kubernetes mounts the service account.'),
  kubeconfig: z.string().optional().describe('A kubeconfig file instead, for running outside of a cluster.'),
})

export const agentConfigSchema: z.ZodType<AgentConfig> = z.strictObject({
  nodeName: nodeNameSchema.describe("Name of this machine's Node object."),
  logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info').describe('Least level of log lines; debug shows every kernel transaction as nft text.'),
  adminSocket: z.string().default('/run/weft/admin.sock').describe('Unix socket, mode 0600, for health, metrics and dumps.'),
  health: listenAddressSchema(9154).optional().describe('Address for /healthz, /readyz and /metrics over TCP, for probes and Prometheus; port 9154 when none is said. Absent: the socket only.'),
  sysctlFolder: z.string().default('/proc/sys').describe("Where sysctls are written. In a container /proc/sys is read-only: there it is a mount of the node's."),
  kube: connectionSchema.prefault({}).describe('How the API server is reached.'),
  install: z.strictObject({
    binDir: z.string().default('/opt/cni/bin').describe('Folder of CNI plugins.'),
    confDir: z.string().default('/etc/cni/net.d').describe('Folder of CNI networks.'),
    plugin: z.string().optional().describe('Path of the compiled plugin, or `twin` for the TypeScript one. Absent: somebody else places it, as weft-prepare-node does.'),
  }).optional().describe('Given: once pods can be wired, the agent places the plugin and the network configuration. Absent: somebody else does.'),
  cni: cniConfigSchema.prefault({}).describe('See packages/cni.'),
  ipam: ipamConfigSchema.prefault({}).describe('See packages/ipam.'),
  overlay: overlayConfigSchema.prefault({}).describe('See packages/overlay.'),
  proxy: proxyConfigSchema.prefault({}).describe('See packages/proxy.'),
  localDns: z.strictObject({
    name: z.string().min(1).max(253).default('kubernetes.default.svc.cluster.local').describe('What it is asked for. Change it when the cluster has another domain.'),
    interval: durationSchema.prefault('400ms').describe('From one question to the next, when the answer to the first is looked at. Twice that and the timeout are less than a second; a server that dies is noticed at once.'),
    timeout: durationSchema.prefault('80ms').describe('How long it may be silent when it is asked again because the last question had no answer; then queries of this node go to the servers of other nodes.'),
  }).prefault({}).describe('The DNS server on this node (the Service named by `proxy.dnsService`).'),
  policy: policyConfigSchema.prefault({}).describe('See packages/policy.'),
})

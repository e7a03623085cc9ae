import { z } from 'zod'

/** Settings of the service proxy (see the schema for each). */
export interface ProxyConfig {
  readonly nodePortAddresses: 'primary' | readonly string[]
  readonly dnsService: string
  readonly serviceCidrs: readonly string[]
  readonly minIntervalMs: number
}

export const proxyConfigSchema: z.ZodType<ProxyConfig> = z.strictObject({
  nodePortAddresses: z.union([z.literal('primary'), z.array(z.string())]).default('primary')
    .describe('Addresses of the node on which NodePorts answer: `primary` (the InternalIP of each family) or a list of networks, e.g. ["10.0.0.0/8"].'),
  dnsService: z.string().default('kube-system/kube-dns')
    .describe('Service whose UDP port 53 is answered by the DNS server of the same node without connection tracking; empty to treat it as any other.'),
  serviceCidrs: z.array(z.string()).default([])
    .describe('Ranges of cluster IPs. Packets to an address in them that no Service has are dropped instead of leaving the node. Empty: they are routed like any other.'),
  minIntervalMs: z.int().min(0).max(10_000).default(0)
    .describe('Least time between two commits. The default commits every change at once; raise it only when a controller rewrites EndpointSlices many times a second.'),
})

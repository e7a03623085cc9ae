import { durationSchema } from '@weft/daemon'
import { type Cidr, parseCidr } from '@weft/ip'
import { z } from 'zod'

/** A TCP address to listen on. */
export interface ListenConfig {
  readonly address: string
  readonly port: number
}

/** What conntrack is set to; times in milliseconds. */
export interface ConntrackConfig {
  readonly maxPerCore: number
  readonly min: number
  readonly tcpEstablishedTimeout: number
  readonly tcpCloseWaitTimeout: number
}

/** Settings of the service proxy (see the schema for each). */
export interface ProxyConfig {
  readonly nodePortAddresses: 'primary' | readonly Cidr[]
  readonly nodePortLoopback: boolean
  readonly dnsService: string
  readonly serviceCidrs: readonly Cidr[]
  readonly clusterCidrs: readonly Cidr[]
  readonly externalIps: readonly Cidr[]
  readonly loadBalancerIps: readonly Cidr[]
  readonly affinityClients: number
  readonly minIntervalMs: number
  readonly conntrack: ConntrackConfig | 'leave'
  readonly healthz: ListenConfig | 'off'
  readonly metrics: ListenConfig | 'off'
}

function listenSchema(address: string, port: number): z.ZodType<ListenConfig | 'off'> {
  return z.union([z.literal('off'), z.strictObject({
    address: z.string().default(address).describe('Address to listen on.'),
    port: z.int().min(1).max(65_535).default(port).describe('TCP port.'),
  })]).prefault({})
}

const cidrSchema = z.string().transform((text, context): Cidr => {
  try {
    return parseCidr(text)
  } catch (error) {
    context.issues.push({ code: 'custom', message: (error as Error).message, input: text })
    return z.NEVER
  }
})

export const proxyConfigSchema: z.ZodType<ProxyConfig> = z.strictObject({
  nodePortAddresses: z.union([z.literal('primary'), z.array(cidrSchema)]).default('primary')
    .describe('Addresses of the node on which NodePorts answer: `primary` (the InternalIP of each family) or a list of networks, in which the addresses of the Node object and those on links of the machine are looked for. ["0.0.0.0/0", "::/0"] are all of them, except loopback and link-local ones.'),
  nodePortLoopback: z.boolean().default(false)
    .describe('Whether NodePorts answer on 127.0.0.1 and ::1 of the node, too. For programs that pull images from `localhost:<port>` and the like; route_localnet stays off, an address of ours on `lo` stands in.'),
  dnsService: z.string().default('kube-system/kube-dns')
    .describe('Service whose UDP port 53 is answered by the DNS server on the host network of the same node without connection tracking; empty to treat it as any other.'),
  serviceCidrs: z.array(cidrSchema).default([])
    .describe('Ranges of cluster IPs, beside those of ServiceCIDR objects. Packets to an address in them that no Service has are dropped instead of leaving the node. Empty: they are routed like any other.'),
  clusterCidrs: z.array(cidrSchema).default([])
    .describe('Ranges of pods, beside those that nodes and IPBlocks tell. Needed where another address management tells of neither: clients outside these ranges reach cluster IPs with the address of the node.'),
  externalIps: z.array(cidrSchema).default([])
    .describe('Networks that `spec.externalIPs` may name. The default allows none: whoever may write a Service could take any address otherwise (CVE-2020-8554).'),
  loadBalancerIps: z.array(cidrSchema).prefault(['0.0.0.0/0', '::/0'])
    .describe('Networks that `status.loadBalancer.ingress` may name. Narrow it to the ranges of your load balancers when others than them may write the status of Services.'),
  affinityClients: z.int().min(1024).max(16_777_216).default(262_144)
    .describe('How many clients session affinity remembers at most, of each family; some 150 bytes of kernel memory each. When there are more, new ones are served without it until others time out. A change replaces the table, and clients are forgotten once.'),
  minIntervalMs: z.int().min(0).max(10_000).default(0)
    .describe('Least time between two commits. The default commits every change at once; raise it only when a controller rewrites EndpointSlices many times a second.'),
  conntrack: z.union([z.literal('leave'), z.strictObject({
    maxPerCore: z.int().min(0).max(1_048_576).default(32_768).describe('How many connections the kernel remembers at least, for each core.'),
    min: z.int().min(0).max(16_777_216).default(131_072).describe('How many it remembers at least, however few cores there are.'),
    tcpEstablishedTimeout: durationSchema.prefault('24h').describe('How long a TCP connection on which nothing happens is remembered.'),
    tcpCloseWaitTimeout: durationSchema.prefault('1h').describe('How long one is remembered that one side has closed: programs that only read go on.'),
  })]).prefault({})
    .describe("Settings of the kernel's connection tracking, as kube-proxy makes them; `leave` where something else sets them. A larger table than this is left as it is."),
  healthz: listenSchema('::', 10_256)
    .describe('Where `/healthz` and `/livez` answer as those of kube-proxy do, for load balancers and probes; `off` where something else has the port.'),
  metrics: listenSchema('127.0.0.1', 10_249)
    .describe('Where `/metrics` and `/proxyMode` answer, as those of kube-proxy do; `off` where the admin socket is enough or something else has the port.'),
})

import { durationSchema } from '@weft/daemon'
import { z } from 'zod'

/** Settings of the policy engine (see the schema for each). */
export interface PolicyConfig {
  readonly dnsService: string
  readonly dnsLabels: Readonly<Record<string, string>>
  /** Milliseconds. */
  readonly resync: number
  /** Milliseconds. */
  readonly flowInterval: number
  /** Milliseconds. */
  readonly nameGrace: number
  readonly logRate: number
  readonly maxRules: number
  /** Milliseconds. */
  readonly watchLag: number
}

export const policyConfigSchema: z.ZodType<PolicyConfig> = z.strictObject({
  dnsService: z.string().default('kube-system/kube-dns')
    .describe('Service of the cluster DNS. Its servers are on host networks, where selectors do not see them; rules that select dnsLabels in its namespace mean it. Empty to treat it as any other.'),
  dnsLabels: z.record(z.string(), z.string()).default({ 'k8s-app': 'kube-dns' }).describe('Labels that egress rules use for the cluster DNS.'),
  resync: durationSchema.prefault('10m')
    .describe('How often the whole table is read back and compared although no event told of an edit. Lower it only where another program removes rules unnoticed.'),
  flowInterval: durationSchema.prefault('200ms')
    .describe('Least time between two looks at the connections that changes of policies may concern. Each walks all of conntrack, which takes milliseconds; a connection that is forbidden ends within twice this time.'),
  nameGrace: durationSchema.prefault('1m')
    .describe('How long the addresses of a domain name are allowed beyond their time to live. Raise it where programs go on with addresses that they asked for long ago.'),
  watchLag: durationSchema.prefault('10s')
    .describe('How long after it was first seen a pod may be younger than policies that the watch has not told of: a pod that starts within that time waits until the agent has all policies of its namespace and of the cluster that are older than it. 0s asks the API server for nothing, and such a pod may start without them.'),
  maxRules: z.int().min(100).max(100_000).default(4000)
    .describe('Rules in the kernel that one policy may have in a direction, after merging. Policies with more are closed where the rest would allow, with an Event: the kernel takes more than a second for so many, and refuses a batch that is too large. Raise it for policies of thousands of different selectors with different ports.'),
  logRate: z.int().min(1).max(10_000).default(10)
    .describe('Connections that each rule of a policy with weft.dev/log or weft.dev/audit logs in a second; twice as many at once. Raise it to follow busy pods, at the cost of a line of log each.'),
})

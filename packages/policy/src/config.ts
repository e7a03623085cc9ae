import { z } from 'zod'

/** Settings of the policy engine (see the schema for each). */
export interface PolicyConfig {
  readonly dnsService: string
  readonly dnsLabels: Readonly<Record<string, string>>
}

export const policyConfigSchema: z.ZodType<PolicyConfig> = z.strictObject({
  dnsService: z.string().default('kube-system/kube-dns')
    .describe('Service of the cluster DNS. Its servers are on host networks, where selectors do not see them; rules that select dnsLabels in its namespace mean it.'),
  dnsLabels: z.record(z.string(), z.string()).default({ 'k8s-app': 'kube-dns' }).describe('Labels that egress rules use for the cluster DNS.'),
})

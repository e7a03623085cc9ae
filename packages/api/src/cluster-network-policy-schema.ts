// Read first: the types of policy.networking.k8s.io/v1alpha2. Field for field what its experimental channel takes.
import { z } from 'zod'

const exactlyOne = { minProperties: 1, maxProperties: 1 }

const labelSelector = z.strictObject({
  matchLabels: z.record(z.string(), z.string()).optional(),
  matchExpressions: z.array(z.strictObject({ key: z.string(), operator: z.string(), values: z.array(z.string()).optional() })).optional(),
})

const pods = z.strictObject({ namespaceSelector: labelSelector, podSelector: labelSelector }).describe('Pods with these labels in namespaces with those.')
const namespaces = labelSelector.describe('All pods of the namespaces with these labels.')
const port = z.int().min(1).max(65_535)

const destination = z.strictObject({
  destinationPort: z.strictObject({ number: port.optional(), range: z.strictObject({ start: port, end: port }).optional() }).meta(exactlyOne).optional(),
}).meta({ minProperties: 1 })

const protocols = z.array(z.strictObject({
  tcp: destination.optional(),
  udp: destination.optional(),
  sctp: destination.optional(),
  destinationNamedPort: z.string().optional().describe('A container port by its name. Not for nodes, networks and domainNames, which have none.'),
}).meta(exactlyOne)).min(1).max(25).optional().describe('What the rule is about; everything when absent.')

const ruleHead = {
  name: z.string().max(100).optional(),
  action: z.enum(['Accept', 'Deny', 'Pass']).describe('Accept and Deny decide; Pass leaves the rest of the tier out.'),
}

const ingressRule = z.strictObject({
  ...ruleHead,
  from: z.array(z.strictObject({ namespaces: namespaces.optional(), pods: pods.optional() }).meta(exactlyOne)).min(1).max(25),
  protocols,
})

const domain = z.string().regex(/^(\*\.)?([a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9_])?\.)+[a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9_])?\.?$/)

const egressRule = z.strictObject({
  ...ruleHead,
  to: z.array(z.strictObject({
    namespaces: namespaces.optional(),
    pods: pods.optional(),
    nodes: labelSelector.optional().describe('All addresses of the nodes with these labels.'),
    networks: z.array(z.string().max(43)).min(1).max(25).optional().describe('Networks; pods and nodes inside of them are meant too.'),
    domainNames: z.array(domain).min(1).max(25).optional().describe('Names, or "*." and what names end in. For Accept only.'),
  }).meta(exactlyOne)).min(1).max(25),
  protocols,
})

/** What the API server checks of a ClusterNetworkPolicy. */
export const clusterNetworkPolicySpec: z.ZodType = z.strictObject({
  tier: z.enum(['Admin', 'Baseline']).describe('Before all NetworkPolicies, or after them for pods that none selects.'),
  priority: z.int().min(0).max(1000).describe('Lower first, within the tier.'),
  subject: z.strictObject({ namespaces: namespaces.optional(), pods: pods.optional() }).meta(exactlyOne).describe('Whom it protects; pods on host networks never.'),
  ingress: z.array(ingressRule).max(25).optional().describe('The first rule that matches decides.'),
  egress: z.array(egressRule).max(25).optional().describe('The first rule that matches decides.'),
})

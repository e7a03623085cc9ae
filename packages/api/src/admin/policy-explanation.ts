import { z } from 'zod'
import { type NodeName, nodeNameSchema } from '../node-name.ts'

/** One end of a connection somebody wonders about. */
export interface ExplainedEnd {
  readonly ip: string
  /** e.g. `pod shop/web`, `node n1`, `203.0.113.9, no pod and no node`. */
  readonly words: string
  /** Where it is; undefined outside of the cluster. */
  readonly node?: NodeName | undefined
}

/** A rule that was asked, by the model. */
export interface ExplainedRule {
  /** The policy and the rule's place in it, e.g. `NetworkPolicy shop/allow-web ingress[0]`. */
  readonly rule: string
  /** What it says, e.g. `Accept from pods app=web of shop at TCP 80`. */
  readonly words: string
  readonly outcome: 'matched' | 'other peer' | 'other port'
}

/** What policies say of one end: `egress` of the source, `ingress` of the destination. */
export interface ExplainedSide {
  readonly direction: 'egress' | 'ingress'
  readonly allowed: boolean
  /** Why, in a sentence. */
  readonly words: string
  /** Rules in the order they were asked; the last one decided if it matched. */
  readonly rules: readonly ExplainedRule[]
}

/** A rule that the packet came to, as nft prints it. */
export interface ExplainedLine {
  readonly chain: string
  readonly rule: string
  /** Whether all of it matched. */
  readonly ran: boolean
}

/** What the table of one node's kernel does with the packet. */
export interface ExplainedKernel {
  readonly allowed: boolean
  /** What the policies say of the pods of this node. */
  readonly wanted: boolean
  readonly lines: readonly ExplainedLine[]
  /** Rules in our table that are none of ours: they are not followed here. */
  readonly strange: readonly string[]
}

/** What becomes of a new connection and why: by the policies of the API, and by the kernel of one node. */
export interface PolicyExplanation {
  /** The node that tells. */
  readonly teller: NodeName
  readonly from: ExplainedEnd
  readonly to: ExplainedEnd
  /** e.g. `TCP 80`, `ICMP`. */
  readonly traffic: string
  readonly allowed: boolean
  readonly sides: readonly ExplainedSide[]
  /** Undefined when this kernel filters neither end, or has no table. */
  readonly kernel?: ExplainedKernel | undefined
}

/** Who reaches whom, by the policies of the API. */
export interface PolicyMatrix {
  /** e.g. `TCP 80`, `ICMP`. */
  readonly traffic: string
  readonly family: 4 | 6
  /** Pods by `namespace/name`: rows, and columns. */
  readonly pods: readonly string[]
  /** `reach[row][column]`: which side refuses what the row's pod sends to the column's; `open` when none does. */
  readonly reach: readonly (readonly PolicyReach[])[]
}

export type PolicyReach = 'open' | 'egress' | 'ingress' | 'both'

const end = z.object({ ip: z.string(), words: z.string(), node: nodeNameSchema.optional() })
const rule = z.object({ rule: z.string(), words: z.string(), outcome: z.enum(['matched', 'other peer', 'other port']) })
const side = z.object({ direction: z.enum(['egress', 'ingress']), allowed: z.boolean(), words: z.string(), rules: z.array(rule) })
const line = z.object({ chain: z.string(), rule: z.string(), ran: z.boolean() })

export const policyExplanationSchema: z.ZodType<PolicyExplanation> = z.object({
  teller: nodeNameSchema, from: end, to: end, traffic: z.string(), allowed: z.boolean(), sides: z.array(side),
  kernel: z.object({ allowed: z.boolean(), wanted: z.boolean(), lines: z.array(line), strange: z.array(z.string()) }).optional(),
})

export const policyMatrixSchema: z.ZodType<PolicyMatrix> = z.object({
  traffic: z.string(), family: z.union([z.literal(4), z.literal(6)]), pods: z.array(z.string()), reach: z.array(z.array(z.enum(['open', 'egress', 'ingress', 'both']))),
})

import { type ExplainedKernel, type ExplainedLine, type ExplainedSide, type Namespace, type Node, type NodeName, type Pod, type PolicyExplanation } from '@weft/api'
import { formatIp } from '@weft/ip'
import { formatRule, recogniseRules, type Table, type TableState, type Trace, type TracePacket, traceTables } from '@weft/nftables'
import { createEvaluator, type Judgement, type Packet, type PolicyCluster, type Verdict } from '../evaluator/index.ts'
import { describeJudgement, describeRule, formatRuleRef } from './policy-words.ts'
import { endsOf, formatTraffic, type PolicyQuestion } from './question.ts'

/** What an explanation is made of. */
export interface ExplainContext {
  readonly nodeName: NodeName
  readonly cluster: PolicyCluster & { readonly pods: readonly Pod[], readonly namespaces: readonly Namespace[], readonly nodes: readonly Node[] }
  /** The table as it should be: rules that are read back are told by it. */
  readonly wanted: Table
  /** The table as the kernel has it; undefined if it has none. */
  readonly kernel: TableState | undefined
}

/**
 * Tells what becomes of a new connection and why. The model is asked about both ends wherever they are, the kernel about those
 * of this node: its own table is read back, and the packet run through it rule by rule.
 *
 * @throws {SyntaxError} When an end is unknown.
 */
export function explainPolicy(question: PolicyQuestion, context: ExplainContext): PolicyExplanation {
  const { nodeName, cluster } = context
  const { from, to } = endsOf(question, cluster)
  const packet: Packet = { from: from.ip, to: to.ip, protocol: question.protocol, port: question.port }
  const verdict = createEvaluator(cluster)(packet)
  const end = ({ ip, words, node }: typeof from): PolicyExplanation['from'] => ({ ip: formatIp(ip), words, node })
  return {
    teller: nodeName,
    from: end(from),
    to: end(to),
    traffic: formatTraffic(question),
    allowed: verdict.allowed,
    sides: [verdict.egress, verdict.ingress].map(explainSide),
    kernel: context.kernel === undefined ? undefined : explainKernel(packet, verdict, { ...context, kernel: context.kernel }),
  }
}

function explainSide(judgement: Judgement): ExplainedSide {
  const { direction, allowed, considered } = judgement
  return { direction, allowed, words: describeJudgement(judgement), rules: considered.map((rule) => ({ rule: formatRuleRef(rule), words: describeRule(rule), outcome: rule.outcome })) }
}

function explainKernel(packet: Packet, { egress, ingress }: Verdict, { nodeName, cluster, wanted, kernel }: ExplainContext & { readonly kernel: TableState }): ExplainedKernel | undefined {
  const here = [egress, ingress].filter(({ reason, subject }) => reason === 'unknown pod' || subject?.nodeName === nodeName)
  if (here.length === 0) return undefined
  const local = cluster.nodes.filter(({ name }) => name === nodeName).flatMap(({ addresses }) => addresses)
  const isOwn = local.some((ip) => formatIp(ip) === formatIp(packet.from))
  const { table, strange } = recogniseRules(kernel, wanted)
  const trace = traceTables([table], { ...tracePacketOf(packet), ...(isOwn ? {} : { iif: 'from' }) }, { local })
  return {
    allowed: trace.verdict === 'accept',
    wanted: here.every(({ allowed }) => allowed),
    lines: linesOf(table, trace, packet),
    strange: strange.map(({ chain, rule }) => `chain ${chain}, rule with handle ${rule.handle}${rule.comment === undefined ? '' : ` (${rule.comment})`}`),
  }
}

function tracePacketOf({ from, to, protocol, port }: Packet): TracePacket {
  // The port of a client is of no account to policies: any of the ephemeral range will do.
  const ends = { saddr: from, daddr: to, sport: 40_000 }
  if (protocol === 'ICMP') return { ...ends, protocol: from.family === 6 ? 'icmpv6' : 'icmp', icmpType: 'echo-request' }
  return { ...ends, protocol: protocol.toLowerCase() as Lowercase<typeof protocol>, dport: port }
}

/** The rules the packet came to; those of the other family are about other packets. */
function linesOf({ family }: Table, { asked }: Trace, packet: Packet): readonly ExplainedLine[] {
  const other = packet.from.family === 4 ? /\bip6 [sd]addr\b/ : /\bip [sd]addr\b/
  return asked.map(({ chain, rule, ran }) => ({ chain, rule: formatRule(family, rule), ran })).filter(({ rule }) => !other.test(rule))
}

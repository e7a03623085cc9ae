import { type ClusterNetworkPolicy, type NetworkPolicy, type PolicyPort, type PolicyRule, selectorMatches } from '@weft/api'
import { type Direction, directions } from '../names.ts'
import { type PeerContext, peerTest } from './peer-test.ts'
import type { PodFacts, Reading, ServedPort } from './reading.ts'
import type { PolicyRef, RuleAction, RuleOutcome } from './verdict.ts'

/** A rule of any kind of policy, ready to be asked. */
interface EvaluatedRule {
  /** Its place in the policy. */
  readonly index: number
  /** Empty when it has none. */
  readonly name: string
  readonly action: RuleAction
  /** What it says. */
  readonly rule: PolicyRule
  /** A packet matches when one way to read it has both a peer and a port that the rule names. */
  readonly ask: (readings: readonly Reading[]) => RuleOutcome
}

/** A policy of any kind, ready to be asked. */
export interface EvaluatedPolicy {
  readonly ref: PolicyRef
  /** It decides nothing: what it would deny is only told. */
  readonly audit: boolean
  readonly selects: (pod: PodFacts) => boolean
  /** Absent where the policy has nothing to say of a direction. */
  readonly rules: Readonly<Partial<Record<Direction, readonly EvaluatedRule[]>>>
}

/** NetworkPolicy by the letter of its API: rules only ever accept. */
export function evaluatedNetworkPolicy(policy: NetworkPolicy, context: PeerContext): EvaluatedPolicy {
  const { namespace, name } = policy
  const rulesOf = (rules: readonly PolicyRule[]): readonly EvaluatedRule[] =>
    rules.map((rule, index) => ({ index, name: '', action: 'Accept', rule, ask: asker(rule, { namespace, opens: true, context }) }))
  return {
    ref: { kind: 'NetworkPolicy', namespace, name },
    audit: policy.telling.audit,
    selects: (pod) => pod.namespace === namespace && selectorMatches(policy.pods, pod.labels),
    rules: Object.fromEntries(directions.flatMap((direction) => (policy[direction] === undefined ? [] : [[direction, rulesOf(policy[direction])]]))),
  }
}

/** A policy of the whole cluster: what it has no rules for is none of its business. */
export function evaluatedClusterPolicy(policy: ClusterNetworkPolicy, context: PeerContext): EvaluatedPolicy {
  const { kind, name, subject } = policy
  return {
    ref: { kind, namespace: '', name },
    audit: policy.telling.audit,
    selects: (pod) => {
      const around = context.labelsOf(pod.namespace)
      return around !== undefined && selectorMatches(subject.namespaces, around) && selectorMatches(subject.pods, pod.labels)
    },
    rules: Object.fromEntries(directions.flatMap((direction) => (policy[direction].length === 0 ? [] : [[direction,
      policy[direction].map((rule, index): EvaluatedRule => ({ index, name: rule.name, action: rule.action, rule, ask: asker(rule, { namespace: '', opens: rule.action === 'Accept', context }) })),
    ]]))),
  }
}

function asker({ peers, ports }: PolicyRule, options: Parameters<typeof peerTest>[1]): EvaluatedRule['ask'] {
  const tests = peers.map((peer) => peerTest(peer, options))
  return (readings) => {
    const known = tests.length === 0 ? readings : readings.filter(({ peer }) => tests.some((isMeant) => isMeant(peer)))
    if (known.length === 0) return 'other peer'
    return ports.length === 0 || known.some(({ served }) => ports.some((port) => isServed(port, served))) ? 'matched' : 'other port'
  }
}

function isServed({ protocol, port, endPort }: PolicyPort, served: ServedPort): boolean {
  if (protocol !== served.protocol) return false
  if (port === undefined) return true
  if (typeof port === 'string') return served.names.includes(port)
  return served.port !== undefined && served.port >= port && served.port <= (endPort ?? port)
}

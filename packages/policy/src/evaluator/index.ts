export { createEvaluator } from './evaluator.ts'
export type { NamedAddresses, PolicyCluster } from './policy-cluster.ts'
export type { Packet } from './packet.ts'
export type { ConsideredRule, Judgement, PolicyKind, PolicyRef, Reason, RuleAction, RuleOutcome, Verdict } from './verdict.ts'

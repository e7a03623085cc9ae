import type { ClusterPolicyKind, Pod, PolicyAction, PolicyRule } from '@weft/api'
import type { Direction } from '../names.ts'

export type PolicyKind = 'NetworkPolicy' | ClusterPolicyKind

/** Which policy; the namespace is empty for those of the whole cluster. */
export interface PolicyRef {
  readonly kind: PolicyKind
  readonly namespace: string
  readonly name: string
}

/** Rules of NetworkPolicies only ever accept. */
export type RuleAction = PolicyAction

/** What a rule had to say of a packet: it `matched`, or the first thing that did not. */
export type RuleOutcome = 'matched' | 'other peer' | 'other port'

/** A rule that was asked. */
export interface ConsideredRule {
  readonly policy: PolicyRef
  readonly direction: Direction
  /** Place in the policy: `spec.ingress[index]` or `spec.egress[index]`. */
  readonly index: number
  /** The rule's own name; empty when it has none. */
  readonly name: string
  readonly action: RuleAction
  /** What it says. */
  readonly rule: PolicyRule
  readonly outcome: RuleOutcome
}

/**
 * Why a direction is open or closed.
 *
 * - `rule`: the last rule considered decided.
 * - `isolated`: NetworkPolicies select the pod, and no rule of theirs matched.
 * - `default`: nothing that selects the pod decided, so it is open.
 * - `no pod`: the address on this side is no pod's that policies protect.
 * - `unknown pod`: the address is of ranges that are closed where no pod has it.
 * - `same pod`, `own node`: no policy stands between a pod and itself, or between it and what its own node sends.
 */
export type Reason = 'rule' | 'isolated' | 'default' | 'no pod' | 'unknown pod' | 'same pod' | 'own node'

/** What the policies of one side say. */
export interface Judgement {
  readonly direction: Direction
  readonly allowed: boolean
  readonly reason: Reason
  /** The pod whose policies were asked; undefined when the address is no pod's. */
  readonly subject: Pod | undefined
  /** The rule that decided; undefined unless the reason is `rule`. */
  readonly rule: ConsideredRule | undefined
  /** Policies that select the pod in this direction, in the order they were asked. */
  readonly selectedBy: readonly PolicyRef[]
  /** Policies in audit mode that would deny it, were they enforced. */
  readonly wouldDeny: readonly PolicyRef[]
  /** Rules that were asked, in that order. */
  readonly considered: readonly ConsideredRule[]
}

/** Whether a connection may be made: egress of the source and ingress of the destination must both allow it. */
export interface Verdict {
  readonly allowed: boolean
  readonly egress: Judgement
  readonly ingress: Judgement
}

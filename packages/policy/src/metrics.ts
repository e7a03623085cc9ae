import { Counter, Gauge, Histogram, type Registry } from '@weft/daemon'
import type { RuleCount } from './rule-counts.ts'

export interface PolicyMetrics {
  readonly writes: Counter
  readonly policies: Gauge
  readonly selectors: Gauge
  readonly isolatedPods: Gauge
  readonly unknownPods: Gauge
  readonly commitSeconds: Histogram
  readonly coverSeconds: Histogram
  readonly refused: Counter<'kind'>
  readonly rejudged: Counter
  readonly told: Counter<'verdict'>
  readonly lost: Counter
}

const buckets = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 20]

/** @param ruleCounts Asked whenever the metrics are. */
export function policyMetrics(registry: Registry, ruleCounts: () => readonly RuleCount[]): PolicyMetrics {
  const registers = [registry]
  // Read from the kernel when it is asked for; nobody adds to it.
  void new Counter({
    name: 'weft_policy_rule_matches_total', help: 'Connections, and other packets, that a rule matched, of policies with weft.dev/counters; from 0 again when the pods of the policy change its chains.', labelNames: ['policy', 'rule'], registers,
    collect() {
      this.reset()
      for (const { policy, rule, packets } of ruleCounts()) this.inc({ policy, rule }, packets)
    },
  })
  return {
    writes: new Counter({ name: 'weft_policy_kernel_writes_total', help: 'Kernel objects and elements the policy engine wrote or deleted.', registers }),
    policies: new Gauge({ name: 'weft_policy_policies', help: 'Policies in force, of namespaces and of the cluster.', registers }),
    selectors: new Gauge({ name: 'weft_policy_selectors', help: 'Distinct selectors of peers, each a set of addresses per family.', registers }),
    isolatedPods: new Gauge({ name: 'weft_policy_isolated_pods', help: 'Pods of this node that some policy selects.', registers }),
    unknownPods: new Gauge({ name: 'weft_policy_unknown_pods', help: 'Pods of this node that the API does not know, or not the namespace of: all their traffic is dropped.', registers }),
    commitSeconds: new Histogram({ name: 'weft_policy_commit_seconds', help: 'Time from taking changes in to the end of their commit.', buckets, registers }),
    refused: new Counter({ name: 'weft_policy_refused_total', help: 'Versions of policies of which something could not be read, or is not taken by the kernel, and which allow less than they may mean.', labelNames: ['kind'], registers }),
    rejudged: new Counter({ name: 'weft_policy_rejudged_flows_total', help: 'Connections whose next packet is judged anew because a change may concern them.', registers }),
    told: new Counter({ name: 'weft_policy_logged_total', help: 'Connections that policies with weft.dev/log or weft.dev/audit had logged, by verdict: allowed, denied, audit.', labelNames: ['verdict'], registers }),
    lost: new Counter({ name: 'weft_policy_log_overruns_total', help: 'Times that the kernel logged more than was read, and some of it was lost.', registers }),
    coverSeconds: new Histogram({ name: 'weft_policy_cover_seconds', help: 'Time a new pod waits for its filter: for the API to tell of it, and for the commit.', buckets, registers }),
  }
}

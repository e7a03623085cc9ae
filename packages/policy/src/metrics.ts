import { Counter, Gauge, type Registry } from '@weft/daemon'

export interface PolicyMetrics {
  readonly writes: Counter
  readonly policies: Gauge
  readonly isolatedPods: Gauge
}

export function policyMetrics(registry: Registry): PolicyMetrics {
  const registers = [registry]
  return {
    writes: new Counter({ name: 'weft_policy_kernel_writes_total', help: 'Kernel objects and elements the policy engine wrote or deleted.', registers }),
    policies: new Gauge({ name: 'weft_policy_policies', help: 'NetworkPolicies in force.', registers }),
    isolatedPods: new Gauge({ name: 'weft_policy_isolated_pods', help: 'Pods of this node that some policy selects.', registers }),
  }
}

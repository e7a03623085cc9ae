import { Counter, Gauge, Histogram, type Registry } from '@weft/daemon'

/** What is only counted when somebody asks. */
export interface KubeProxyQuestions {
  readonly pendingServices: () => number
  readonly pendingEndpoints: () => number
  /** Services whose Local policy finds no endpoint on this node, though there are some. */
  readonly withoutLocal: (policy: 'internal' | 'external') => number
}

/** Answers of `/healthz` and `/livez`, by code. */
export interface ProbeCounters {
  readonly healthz: Counter<'code'>
  readonly livez: Counter<'code'>
}

/** kube-proxy's metrics under its own names, so that its dashboards and alerts go on (SVC-104). */
export interface KubeProxyMetrics {
  readonly sync: Histogram
  readonly fullSync: Histogram
  readonly partialSync: Histogram
  readonly programming: Histogram
  readonly lastSync: Gauge
  readonly lastQueued: Gauge
  readonly noLocal: Gauge<'traffic_policy'>
  readonly serviceChanges: Counter
  readonly endpointChanges: Counter
  readonly failures: Counter
  readonly deletedFlows: Counter
  readonly probes: ProbeCounters
}

const syncBuckets = Array.from({ length: 15 }, (_, power) => 0.001 * 2 ** power)
const steps = (first: number, step: number, count: number): readonly number[] => Array.from({ length: count }, (_, index) => first + index * step)
// Those of the SLI (KEP "network programming latency"): fine where the objective is, coarse above.
const programmingBuckets = [...steps(0.25, 0.25, 2), ...steps(1, 1, 59), ...steps(60, 5, 12), ...steps(120, 30, 7)]

export function kubeProxyMetrics(registry: Registry, questions: KubeProxyQuestions): KubeProxyMetrics {
  const registers = [registry]
  const histogram = (name: string, help: string, buckets: readonly number[] = syncBuckets): Histogram => new Histogram({ name, help, buckets: [...buckets], registers })
  const asked = (name: string, help: string, ask: () => number): Gauge => new Gauge({ name, help, registers, collect() { this.set(ask()) } })
  asked('kubeproxy_sync_proxy_rules_service_changes_pending', 'Services that changed and are not in the kernel yet.', questions.pendingServices)
  asked('kubeproxy_sync_proxy_rules_endpoint_changes_pending', 'EndpointSlices that changed and are not in the kernel yet.', questions.pendingEndpoints)
  return {
    sync: histogram('kubeproxy_sync_proxy_rules_duration_seconds', 'Time a sync took, whole or partial.'),
    fullSync: histogram('kubeproxy_sync_full_proxy_rules_duration_seconds', 'Time a comparison of the whole table took.'),
    partialSync: histogram('kubeproxy_sync_partial_proxy_rules_duration_seconds', 'Time a sync of what changed took.'),
    programming: histogram('kubeproxy_network_programming_duration_seconds', 'From the change of a Service or pod, as the EndpointSlice says it, to the kernel having it.', programmingBuckets),
    lastSync: new Gauge({ name: 'kubeproxy_sync_proxy_rules_last_timestamp_seconds', help: 'When the kernel had all last, in seconds since 1970.', registers }),
    lastQueued: new Gauge({ name: 'kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds', help: 'When a sync was asked for last, in seconds since 1970.', registers }),
    noLocal: new Gauge({
      name: 'kubeproxy_sync_proxy_rules_no_local_endpoints_total', help: 'Services whose Local traffic policy finds no endpoint on this node, though there are some.', labelNames: ['traffic_policy'], registers,
      collect() {
        for (const policy of ['internal', 'external'] as const) this.set({ traffic_policy: policy }, questions.withoutLocal(policy))
      },
    }),
    serviceChanges: new Counter({ name: 'kubeproxy_sync_proxy_rules_service_changes_total', help: 'Changes of Services seen.', registers }),
    endpointChanges: new Counter({ name: 'kubeproxy_sync_proxy_rules_endpoint_changes_total', help: 'Changes of EndpointSlices seen.', registers }),
    failures: new Counter({ name: 'kubeproxy_sync_proxy_rules_nftables_sync_failures_total', help: 'Syncs that failed.', registers }),
    deletedFlows: new Counter({ name: 'kubeproxy_conntrack_reconciler_deleted_entries_total', help: 'Conntrack entries deleted.', registers }),
    probes: {
      healthz: new Counter({ name: 'kubeproxy_proxy_healthz_total', help: 'Answers of /healthz, by code.', labelNames: ['code'], registers }),
      livez: new Counter({ name: 'kubeproxy_proxy_livez_total', help: 'Answers of /livez, by code.', labelNames: ['code'], registers }),
    },
  }
}

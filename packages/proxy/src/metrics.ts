import { Counter, Gauge, Histogram, type Registry } from '@weft/daemon'

export interface ProxyMetrics {
  readonly writes: Counter
  readonly services: Gauge
  readonly refused: Gauge
  readonly commitSeconds: Histogram
  readonly lagSeconds: Histogram
  readonly comparisons: Counter<'reason'>
  readonly staleFlows: Counter
}

export function proxyMetrics(registry: Registry): ProxyMetrics {
  const registers = [registry]
  return {
    writes: new Counter({ name: 'weft_proxy_kernel_writes_total', help: 'Kernel objects and elements the proxy wrote or deleted.', registers }),
    services: new Gauge({ name: 'weft_proxy_services', help: 'Services this node serves.', registers }),
    refused: new Gauge({ name: 'weft_proxy_refused_ports', help: 'Addresses and ports that Services ask for and do not get; Events on them say why.', registers }),
    commitSeconds: new Histogram({ name: 'weft_proxy_commit_seconds', help: 'Time from taking changes in to the end of their commit.', buckets: [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5], registers }),
    lagSeconds: new Histogram({ name: 'weft_proxy_programming_lag_seconds', help: 'From a change of the cluster reaching this process to the kernel having it.', buckets: [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30], registers }),
    comparisons: new Counter({ name: 'weft_proxy_comparisons_total', help: 'Comparisons of the whole table with the kernel, by reason.', labelNames: ['reason'], registers }),
    staleFlows: new Counter({ name: 'weft_proxy_stale_flows_total', help: 'UDP conntrack entries deleted because their backend went away or the first one came.', registers }),
  }
}

/** Of {@link followOccupancy}, which runs beside the proxy. */
export function occupancyRatio(registry: Registry): Gauge<'table'> {
  return new Gauge({ name: 'weft_proxy_occupancy_ratio', help: 'How full tables are that have an end: clients of session affinity by family, and the connections that the kernel remembers.', labelNames: ['table'], registers: [registry] })
}

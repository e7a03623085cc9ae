import { Counter, Histogram, type Registry } from 'prom-client'

export interface LoopMetrics {
  readonly runs: Counter<'loop' | 'result'>
  readonly duration: Histogram<'loop'>
}

// All loops of a program report to the same two metrics, and a registry refuses a name that it has.
const known = new WeakMap<Registry, LoopMetrics>()

/** The metrics of all reconcile loops of a program. */
export function loopMetrics(registry: Registry): LoopMetrics {
  let metrics = known.get(registry)
  if (metrics === undefined) {
    metrics = {
      runs: new Counter({ name: 'weft_reconcile_runs_total', help: 'Runs of a reconcile loop, by result (success or failure).', labelNames: ['loop', 'result'], registers: [registry] }),
      duration: new Histogram({ name: 'weft_reconcile_duration_seconds', help: 'Time a run of a reconcile loop took.', labelNames: ['loop'], buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10], registers: [registry] }),
    }
    known.set(registry, metrics)
  }
  return metrics
}

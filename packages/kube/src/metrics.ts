import { Counter, Gauge, type Registry } from '@weft/daemon'

/** Counters and gauges of all reflectors of a process; make them once with {@link createKubeMetrics}. */
export interface KubeMetrics {
  readonly events: Counter<'resource' | 'type'>
  readonly relists: Counter<'resource' | 'reason'>
  readonly faults: Counter<'resource' | 'reason'>
  readonly refusals: Counter<'resource'>
  readonly refused: Gauge<'resource'>
  readonly objects: Gauge<'resource'>
  readonly synced: Gauge<'resource'>
  readonly connected: Gauge<'resource'>
}

/** Registers the metrics of this package. */
export function createKubeMetrics(registry: Registry): KubeMetrics {
  const registers = [registry]
  const resource = ['resource'] as const
  return {
    events: new Counter({ name: 'weft_kube_events_total', help: 'Watch events by type, STALE for duplicates and replays that were ignored.', labelNames: ['resource', 'type'], registers }),
    relists: new Counter({ name: 'weft_kube_relists_total', help: 'Complete sets fetched, by what made it necessary.', labelNames: ['resource', 'reason'], registers }),
    faults: new Counter({ name: 'weft_kube_faults_total', help: 'Lists and watches that failed, by reason.', labelNames: ['resource', 'reason'], registers }),
    refusals: new Counter({ name: 'weft_kube_refusals_total', help: 'Versions of objects that were refused because they make no sense.', labelNames: resource, registers }),
    refused: new Gauge({ name: 'weft_kube_refused_objects', help: 'Objects whose present version is refused.', labelNames: resource, registers }),
    objects: new Gauge({ name: 'weft_kube_objects', help: 'Objects in the store.', labelNames: resource, registers }),
    synced: new Gauge({ name: 'weft_kube_synced', help: 'Whether a complete set was ever in the store, 0 or 1.', labelNames: resource, registers }),
    connected: new Gauge({ name: 'weft_kube_connected', help: 'Whether the store follows the API server right now, 0 or 1.', labelNames: resource, registers }),
  }
}

import { Counter, Gauge, Histogram, type Registry } from '@weft/daemon'

export interface CniMetrics {
  readonly verbs: Counter<'verb' | 'result'>
  readonly seconds: Histogram<'verb'>
  readonly wireSeconds: Histogram
  readonly spooled: Counter
  readonly mended: Counter<'what'>
  readonly collected: Counter
}

/** Counters of the CNI server; `attachments` is asked at every scrape. */
export function createCniMetrics(registry: Registry, attachments: () => number): CniMetrics {
  registry.registerMetric(new Gauge({
    name: 'weft_cni_attachments',
    help: 'Pod interfaces this node has wired.',
    registers: [],
    collect() {
      this.set(attachments())
    },
  }))
  const buckets = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 20]
  return {
    verbs: new Counter({ name: 'weft_cni_verbs_total', help: 'CNI calls answered, by verb and result: ok or the error code.', labelNames: ['verb', 'result'], registers: [registry] }),
    seconds: new Histogram({ name: 'weft_cni_verb_seconds', help: 'Time from receiving a CNI call to its answer.', labelNames: ['verb'], buckets, registers: [registry] }),
    wireSeconds: new Histogram({ name: 'weft_cni_wire_seconds', help: 'Time to make and configure both ends of a pod link.', buckets, registers: [registry] }),
    spooled: new Counter({ name: 'weft_cni_spooled_total', help: 'DELs found in the spool, left there while the agent was away.', registers: [registry] }),
    collected: new Counter({ name: 'weft_cni_collected_total', help: 'Attachments released because link, namespace and pod were gone and no DEL came.', registers: [registry] }),
    mended: new Counter({ name: 'weft_cni_mended_total', help: 'Times somebody else had changed what is ours: the table, or a pod link or its routes.', labelNames: ['what'], registers: [registry] }),
  }
}

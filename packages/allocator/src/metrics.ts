import { Counter, Gauge, Histogram, type Registry } from '@weft/daemon'
import type { Family } from '@weft/ip'

interface Usage {
  readonly family: Family
  readonly used: number
  readonly capacity: number
}

export interface AllocatorMetrics {
  readonly allocations: Counter<'result'>
  readonly commitSeconds: Histogram
  /** Asks for usage at every scrape. */
  watch(usage: () => readonly Usage[]): void
}

export function createAllocatorMetrics(registry: Registry): AllocatorMetrics {
  return {
    allocations: new Counter({ name: 'weft_ipam_allocations_total', help: 'Address requests, by result: ok or the error code.', labelNames: ['result'], registers: [registry] }),
    commitSeconds: new Histogram({ name: 'weft_ipam_commit_seconds', help: 'Time of one group commit of the attachment store.', buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1], registers: [registry] }),
    watch(usage) {
      registry.registerMetric(new Gauge({
        name: 'weft_ipam_addresses',
        help: 'Addresses of this node, by family and state: used or capacity.',
        labelNames: ['family', 'state'],
        registers: [],
        collect() {
          for (const { family, used, capacity } of usage()) {
            this.set({ family: String(family), state: 'used' }, used)
            this.set({ family: String(family), state: 'capacity' }, capacity)
          }
        },
      }))
    },
  }
}

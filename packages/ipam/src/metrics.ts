import { Counter, Histogram, type Registry } from '@weft/daemon'
import type { PluginMetrics } from '@weft/plugin'

export interface PoolControllerMetrics {
  readonly collected: Counter
}

export function createPoolControllerMetrics(registry: Registry): PoolControllerMetrics {
  return {
    collected: new Counter({ name: 'weft_ipam_blocks_collected_total', help: 'Blocks taken back from nodes that are gone.', registers: [registry] }),
  }
}

/** Counters of the service behind the IPAM plugin. */
export function createIpamPluginMetrics(registry: Registry): PluginMetrics {
  return {
    verbs: new Counter({ name: 'weft_ipam_verbs_total', help: 'Calls of the IPAM plugin answered, by verb and result: ok or the error code.', labelNames: ['verb', 'result'], registers: [registry] }),
    seconds: new Histogram({ name: 'weft_ipam_verb_seconds', help: 'Time from receiving a call of the IPAM plugin to its answer.', labelNames: ['verb'], buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 1, 5], registers: [registry] }),
    spooled: new Counter({ name: 'weft_ipam_spooled_total', help: 'DELs of the IPAM plugin found in the spool, left there while the service was away.', registers: [registry] }),
  }
}

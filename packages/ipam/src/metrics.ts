import { Counter, type Registry } from '@weft/daemon'

export interface PoolControllerMetrics {
  readonly collected: Counter
}

export function createPoolControllerMetrics(registry: Registry): PoolControllerMetrics {
  return {
    collected: new Counter({ name: 'weft_ipam_blocks_collected_total', help: 'Blocks taken back from nodes that are gone.', registers: [registry] }),
  }
}

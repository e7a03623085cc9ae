import { Counter, Gauge, type Registry } from '@weft/daemon'

export interface OverlayMetrics {
  readonly writes: Counter
  readonly peers: Gauge<'path'>
}

export function overlayMetrics(registry: Registry): OverlayMetrics {
  return {
    writes: new Counter({ name: 'weft_overlay_kernel_writes_total', help: 'Kernel objects the overlay wrote or deleted.', registers: [registry] }),
    peers: new Gauge({ name: 'weft_overlay_peers', help: 'Other nodes, by the path that leads to them.', labelNames: ['path'], registers: [registry] }),
  }
}

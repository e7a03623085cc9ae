import { Counter, Gauge, type Registry } from '@weft/daemon'

export interface OverlayMetrics {
  readonly writes: Counter
  readonly peers: Gauge<'path'>
  readonly refused: Gauge
  readonly mtuBytes: Gauge
  readonly faults: Counter
}

export function overlayMetrics(registry: Registry): OverlayMetrics {
  return {
    writes: new Counter({ name: 'weft_overlay_kernel_writes_total', help: 'Kernel objects the overlay wrote or deleted.', registers: [registry] }),
    peers: new Gauge({ name: 'weft_overlay_peers', help: 'Other nodes, by the path that leads to them.', labelNames: ['path'], registers: [registry] }),
    refused: new Gauge({ name: 'weft_overlay_refused', help: 'Ranges and addresses of nodes that are left out because they would break the paths of others.', registers: [registry] }),
    mtuBytes: new Gauge({ name: 'weft_overlay_pod_mtu_bytes', help: 'MTU that new pod links get.', registers: [registry] }),
    faults: new Counter({ name: 'weft_overlay_kernel_faults_total', help: 'Writes the kernel refused.', registers: [registry] }),
  }
}

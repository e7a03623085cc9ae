/** Counters of reflectors and clients; make them with `createKubeMetrics`. */
export interface KubeMetrics {
  readonly relists: { inc(labels: { readonly resource: string, readonly reason: string }): void }
}

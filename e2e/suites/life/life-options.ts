import type { ClusterDescriptor, OpenCluster } from '@weft/checks'

/** What a suite of a cluster's life is given. */
export interface LifeOptions {
  /** The cluster, once it runs, with the demo in it. */
  readonly cluster: () => OpenCluster
  /** Its machines; tests that do something to one are skipped, by name, where nothing tells how. */
  readonly machines: () => ClusterDescriptor | undefined
}

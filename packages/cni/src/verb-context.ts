import type { Clock, Logger } from '@weft/daemon'
import type { RouteSocket } from '@weft/netlink'
import type { CniConfig } from './config.ts'
import type { HostPorts } from './host-ports.ts'
import type { CniMetrics } from './metrics.ts'
import type { PodDoor } from './pod-netns.ts'
import type { CniPorts } from './ports.ts'
import type { Teardown } from './teardown.ts'

/** What every verb works with. */
export interface VerbContext {
  readonly config: CniConfig
  readonly ports: CniPorts
  /** In the node's namespace. */
  readonly route: RouteSocket
  readonly door: PodDoor
  /** Where the node's sysctls are. */
  readonly sysctlFolder: string
  /** Whether links have token buckets. */
  readonly shaping: boolean
  readonly hostPorts: HostPorts
  readonly teardown: Teardown
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: CniMetrics
}

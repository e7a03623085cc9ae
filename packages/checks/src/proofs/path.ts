import { ensure } from '../check.ts'
import type { Cluster, ClusterNode } from '../cluster.ts'
import { formatKernelRoute, type KernelRoute } from '../kernel-route.ts'

/**
 * Packets between nodes of one link go straight, those across a router through the tunnel, where the cluster has one.
 *
 * @throws {CheckFailure} When the kernel's route is the other one.
 */
export function ensurePath({ tunnel }: Pick<Cluster, 'tunnel'>, from: ClusterNode, to: ClusterNode, route: KernelRoute): void {
  if (tunnel === undefined) return
  const across = from.link !== to.link
  ensure((route.device === tunnel) === across, `${from.name} sends to ${to.name} ${formatKernelRoute(route)}, wanted ${across ? `dev ${tunnel}: a router is between them` : 'their common link'}`)
}

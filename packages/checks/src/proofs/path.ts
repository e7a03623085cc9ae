import type { Pod } from '@weft/api'
import { parseIp } from '@weft/ip'
import { type CheckContext, ensure } from '../check.ts'
import type { Cluster, ClusterNode } from '../cluster.ts'
import { formatKernelRoute, type KernelRoute, routeTo } from '../kernel-route.ts'
import { ipOf, nodeOf } from '../scene.ts'

/** How two nodes lie to each other. */
export type Placement = 'on one node' | 'on one link' | 'across a router'

/** As the cluster says; else as the kernel of the first says, which has no gateway to the address of a node on its link. */
export async function placementOf({ routes }: Pick<CheckContext, 'routes'>, from: ClusterNode, to: ClusterNode, family: 4 | 6): Promise<Placement> {
  if (from.name === to.name) return 'on one node'
  const isOneLink = from.link !== undefined && to.link !== undefined ? from.link === to.link : routeTo(await routes(from.name), parseIp(ipOf(to, family))).via === undefined
  return isOneLink ? 'on one link' : 'across a router'
}

/**
 * The kernel's route from a node to a pod of another, as text for the evidence.
 *
 * @throws {CheckFailure} When it is not the one that the two nodes' places ask for.
 */
export async function pathTo({ cluster, routes }: CheckContext, from: ClusterNode, pod: Pod, family: 4 | 6): Promise<string> {
  const route = routeTo(await routes(from.name), parseIp(ipOf(pod, family)))
  ensurePath(cluster, from, nodeOf(cluster, pod), route)
  return formatKernelRoute(route)
}

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

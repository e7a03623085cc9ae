import { links } from '@weft/api'
import { isNotFound, type NetlinkRequest, type RouteSocket } from '@weft/netlink'
import { diffTable, type Nft } from '@weft/nftables'
import type { OverlayState } from './compile.ts'
import { compareRoutes, compareRules } from './kernel-routes.ts'
import { compareTunnel, ensureTunnel, type TunnelKernel, type TunnelLink } from './kernel-tunnel.ts'
import type { Uplink } from './model.ts'

export interface OverlayKernel {
  readonly route: TunnelKernel & Pick<RouteSocket, 'addresses' | 'link' | 'lookupRoute' | 'routes' | 'rules' | 'transact'>
  readonly nft: Nft
}

export interface Reconciled {
  /** Objects written or deleted; 0 when all was as wanted. */
  readonly written: number
  /** What the kernel refused. Everything else is as wanted. */
  readonly faults: readonly Error[]
  /** The tunnel's link was made anew. */
  readonly tunnelMade: boolean
}

/**
 * Makes the kernel's links, forwarding entries, neighbours, rules, routes and ruleset those of `state`, by comparing and
 * writing the difference. A packet never meets a half-made path (DESIGN.md O5): sets that exempt it from masquerade come
 * first, then forwarding entries, neighbours, routes and rules; deletions go the other way. One refusal stops nothing else.
 */
export function reconcileOverlay({ route, nft }: OverlayKernel, state: OverlayState, uplink: Uplink): Reconciled {
  const faults: Error[] = []
  let written = 0
  const attempt = <T>(work: () => T): T | undefined => {
    try {
      return work()
    } catch (error) {
      faults.push(error as Error)
      return undefined
    }
  }
  const send = (list: readonly NetlinkRequest[], forgive: (error: Error) => boolean = () => false): void => {
    for (const { error } of route.transact(list)) {
      if (error === undefined) written += 1
      else if (!forgive(error)) faults.push(error)
    }
  }

  attempt(() => {
    const changes = diffTable(nft.read('inet', state.ruleset.name), state.ruleset)
    nft.commit(changes)
    for (const operation of changes.operations) written += operation.object === 'element' ? operation.elements.length : 1
  })
  const tunnel = state.tunnel === undefined ? undefined : attempt((): TunnelLink => ensureTunnel(route, state.tunnel!))
  written += tunnel?.written ?? 0
  const inside = tunnel === undefined ? { writes: [], deletes: [] } : compareTunnel(route, tunnel, state.tunnel!)
  const routes = compareRoutes(route, state.routes, { uplink: uplink.index, vxlan: tunnel?.link.index })
  const rules = compareRules(route, state.rules)
  send([...inside.writes, ...routes.writes, ...rules.writes])
  // What is gone already needs no deletion.
  send([...rules.deletes, ...routes.deletes, ...inside.deletes], isNotFound)
  if (state.tunnel === undefined) {
    // Encapsulation was switched off: no route leads there any more.
    const left = route.findLink(links.vxlan)
    if (left !== undefined && attempt(() => route.deleteLink(left.index) ?? true) === true) written += 1
  }
  return { written, faults, tunnelMade: tunnel?.made ?? false }
}

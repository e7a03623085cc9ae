import { routing } from '@weft/api'
import { type Cidr, formatCidr, formatIp, type IpAddress } from '@weft/ip'
import { requests, type Route, type RouteSocket, type Rule } from '@weft/netlink'
import { mainTable, type OverlayRoute, type OverlayRule, protocol, routeMetric } from './compile.ts'
import { isOnlink } from './format.ts'
import { difference, type KernelChanges } from './kernel-diff.ts'

/** Links by role; without a tunnel its routes are left out. */
export interface Indexes {
  readonly uplink: number
  readonly vxlan: number | undefined
}

/** Routes of ours are known by their protocol number, in the two tables we write to; all others are not ours to touch. */
export function compareRoutes(kernel: Pick<RouteSocket, 'routes'>, wanted: readonly OverlayRoute[], indexes: Indexes): KernelChanges {
  const possible = wanted.filter(({ device }) => device !== 'vxlan' || indexes.vxlan !== undefined)
  const { missing, surplus } = difference(
    { items: possible, key: (route) => keyOf(route, routeMetric), text: (route) => textOfWanted(route, indexes) },
    { items: [mainTable, routing.overlayTable].flatMap((table) => kernel.routes({ table, protocol })), key: (route) => keyOf(route, route.metric), text: textOfPresent },
  )
  return { writes: missing.map((route) => requests.replaceRoute(specOf(route, indexes))), deletes: surplus.map((route) => requests.deleteRoute(specOfPresent(route))) }
}

/** Rules of ours have our preference and our protocol number. */
export function compareRules(kernel: Pick<RouteSocket, 'rules'>, wanted: readonly OverlayRule[]): KernelChanges {
  const { missing, surplus } = difference(
    { items: wanted, key: textOfRule, text: textOfRule },
    { items: kernel.rules().filter((rule) => rule.priority === routing.overlayRulePreference && rule.protocol === protocol), key: textOfRule, text: textOfRule },
  )
  return {
    writes: missing.map(({ from, table, preference }) => requests.addRule({ family: from.family, from, table, priority: preference, protocol })),
    deletes: surplus.map((rule) => requests.deleteRule(rule)),
  }
}

function specOf(route: OverlayRoute, indexes: Indexes): Parameters<typeof requests.replaceRoute>[0] {
  const { destination, type, table, via, source } = route
  return { destination, type, table, protocol, via, source, metric: routeMetric, onlink: isOnlink(route), ifIndex: route.device === undefined ? undefined : indexes[route.device] }
}

function specOfPresent({ destination, type, table, via, ifIndex, metric }: Route): Parameters<typeof requests.deleteRoute>[0] {
  // The kernel shows IPv6 unreachable routes on lo and does not find them by that name.
  return { destination, type, table, protocol, via, metric, ...(type === 'unicast' ? { ifIndex } : {}) }
}

/** The kernel keeps one route for each of these: a new one takes the place of the old. */
function keyOf({ table, destination }: { readonly table: number, readonly destination: Cidr }, metric: number): string {
  return `${table} ${formatCidr(destination)} ${metric}`
}

function textOfWanted(route: OverlayRoute, indexes: Indexes): string {
  return textOf({ key: keyOf(route, routeMetric), type: route.type, via: route.via, ifIndex: route.device === undefined ? undefined : indexes[route.device], source: route.source })
}

function textOfPresent(route: Route): string {
  // Several next hops, made by others or by appending, are never what we want.
  return textOf({ key: keyOf(route, route.metric), type: route.type, via: route.via, ifIndex: route.ifIndex, source: route.source }) + (route.nextHops.length > 0 ? ' multipath' : '')
}

function textOf({ key, type, via, ifIndex, source }: { readonly key: string, readonly type: string, readonly via: IpAddress | undefined, readonly ifIndex: number | undefined, readonly source: IpAddress | undefined }): string {
  return [key, type, via === undefined ? '' : formatIp(via), type === 'unicast' ? ifIndex : '', source === undefined ? '' : formatIp(source)].join(' ')
}

function textOfRule(rule: OverlayRule | Rule): string {
  // Of a rule that others narrowed nothing but the deletion is of use.
  const narrowed = 'family' in rule && (rule.to !== undefined || rule.iif !== undefined || rule.mark !== undefined || rule.invert || rule.action !== 'table')
  return `${rule.from === undefined ? 'all' : formatCidr(rule.from)} ${rule.table}${narrowed ? ' narrowed' : ''}`
}

import { routing } from '@weft/api'
import { formatCidr, type IfIndex } from '@weft/ip'
import { requests, type Route, type RouteSocket, type Rule } from '@weft/netlink'
import { mainTable, type OverlayRoute, type OverlayRule, protocol, routeMetric } from './compile.ts'
import { isOnlink } from './format.ts'
import { type Described, difference, type KernelChanges } from './kernel-diff.ts'

/** Links by role; without a tunnel its routes are left out. */
export interface Indexes {
  readonly uplink: IfIndex
  readonly vxlan: IfIndex | undefined
}

/** Routes of ours are known by their protocol number, in the two tables we write to; all others are not ours to touch. */
export function compareRoutes(kernel: Pick<RouteSocket, 'routes'>, wanted: readonly OverlayRoute[], indexes: Indexes): KernelChanges {
  const possible = wanted.filter(({ device }) => device !== 'vxlan' || indexes.vxlan !== undefined)
  const { missing, surplus } = difference(
    { items: possible, describe: (route) => describe({ ...route, metric: routeMetric, ifIndex: route.device === undefined ? undefined : indexes[route.device], several: false }) },
    { items: [mainTable, routing.overlayTable].flatMap((table) => kernel.routes({ table, protocol })), describe: (route) => describe({ ...route, several: route.nextHops.length > 0 }) },
  )
  return { writes: missing.map((route) => requests.replaceRoute(specOf(route, indexes))), deletes: surplus.map((route) => requests.deleteRoute(specOfPresent(route))) }
}

/** Rules of ours have our preference and our protocol number. */
export function compareRules(kernel: Pick<RouteSocket, 'rules'>, wanted: readonly OverlayRule[]): KernelChanges {
  const { missing, surplus } = difference(
    { items: wanted, describe: (rule) => [textOfRule(rule), ''] },
    { items: kernel.rules().filter((rule) => rule.priority === routing.overlayRulePreference && rule.protocol === protocol), describe: (rule) => [textOfRule(rule), ''] },
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

interface ComparedRoute extends Pick<OverlayRoute, 'table' | 'destination' | 'via' | 'source'> {
  readonly type: string
  readonly metric: number
  readonly ifIndex: IfIndex | undefined
  /** Several next hops, made by others or by appending, are never what we want. */
  readonly several: boolean
}

/** The kernel keeps one route for each table, destination and metric. */
function describe({ table, destination, metric, type, via, source, ifIndex, several }: ComparedRoute): Described {
  return [
    `${table} ${destination.family} ${destination.bits}/${destination.prefix} ${metric}`,
    `${type} ${via?.bits} ${source?.bits} ${type === 'unicast' ? ifIndex : ''} ${several}`,
  ]
}

function textOfRule(rule: OverlayRule | Rule): string {
  // Of a rule that others narrowed nothing but the deletion is of use.
  const narrowed = 'family' in rule && (rule.to !== undefined || rule.iif !== undefined || rule.mark !== undefined || rule.invert || rule.action !== 'table')
  return `${rule.from === undefined ? 'all' : formatCidr(rule.from)} ${rule.table}${narrowed ? ' narrowed' : ''}`
}

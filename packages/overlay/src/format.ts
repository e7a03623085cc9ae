import { formatCidr, formatIp } from '@weft/ip'
import { formatTable } from '@weft/nftables'
import { mainTable, type OverlayRoute, type OverlayState, protocol, routeMetric } from './compile.ts'

/** The state as `ip` and `nft` print it: goldens, debug logs, `weft dump overlay`. */
export function formatOverlay(state: OverlayState, uplink: string): string {
  const { tunnel } = state
  return [
    `# pod MTU ${state.podMtuBytes}`,
    ...(tunnel === undefined ? [] : [
      `link add ${tunnel.name} address ${tunnel.mac} mtu ${tunnel.mtuBytes} type vxlan id ${tunnel.vni} local ${formatIp(tunnel.local)} dstport ${tunnel.port} nolearning${tunnel.local.family === 6 ? ' udp6zerocsumtx udp6zerocsumrx' : ''}`,
      ...tunnel.forwarding.map(({ mac, remote }) => `fdb append ${mac} dev ${tunnel.name} dst ${formatIp(remote)} self permanent`),
      ...tunnel.neighbours.map(({ address, mac }) => `neighbour replace ${formatIp(address)} dev ${tunnel.name} lladdr ${mac} nud permanent`),
    ]),
    ...state.routes.map((route) => `route ${formatRoute(route, uplink, tunnel?.name ?? '')}`),
    ...state.rules.map(({ from, table, preference }) => `rule add preference ${preference} from ${formatCidr(from)} lookup ${table} protocol ${protocol}`),
    formatTable(state.ruleset).trimEnd(),
    '',
  ].join('\n')
}

/** As `ip route` prints it. */
function formatRoute(route: OverlayRoute, uplink: string, tunnel: string): string {
  return [
    route.type === 'unicast' ? formatCidr(route.destination) : `${route.type} ${formatCidr(route.destination)}`,
    ...(route.via === undefined ? [] : [`via ${formatIp(route.via)}`]),
    ...(route.device === undefined ? [] : [`dev ${route.device === 'uplink' ? uplink : tunnel}`]),
    ...(route.table === mainTable ? [] : [`table ${route.table}`]),
    `proto ${protocol}`,
    ...(route.source === undefined ? [] : [`src ${formatIp(route.source)}`]),
    `metric ${routeMetric}`,
    ...(isOnlink(route) ? ['onlink'] : []),
  ].join(' ')
}

/** IPv4 next hops inside the tunnel are in no network of its link; link-local ones of IPv6 always are. */
export function isOnlink(route: OverlayRoute): boolean {
  return route.device === 'vxlan' && route.destination.family === 4
}

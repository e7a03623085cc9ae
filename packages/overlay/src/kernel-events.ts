import { links, routing } from '@weft/api'
import { equalIp } from '@weft/ip'
import { decodeRouteEvent, type MonitorEvent, readEvent, type RouteEvent } from '@weft/netlink'
import { protocol } from './compile.ts'
import type { OverlayModel } from './model.ts'

/** What to subscribe to. Neighbours are not among it: a busy node has hundreds of changes a second, none of them ours. */
export const eventGroups = ['link', 'address4', 'address6', 'route4', 'route6', 'rule4', 'rule6'] as const

/**
 * Whether an event can mean that the kernel is not as wanted. Pods come and go with links, addresses and routes of their
 * own; those must not cost a comparison each (promise P7).
 */
export function concernsOverlay(message: MonitorEvent, model: OverlayModel | undefined): boolean {
  const event = readEvent(message, decodeRouteEvent)
  return event === 'overrun' || (event !== undefined && (model === undefined || isOurs(event, model)))
}

function isOurs(event: RouteEvent, { uplink, self }: OverlayModel): boolean {
  switch (event.kind) {
    case 'link': return event.link.index === uplink.index || event.link.name === uplink.name || event.link.name === links.vxlan
    case 'address': return event.address.ifIndex === uplink.index || self.ips.some((ip) => equalIp(ip, event.address.address))
    case 'route': return event.route.protocol === protocol
    case 'rule': return event.rule.protocol === protocol || event.rule.priority === routing.overlayRulePreference
    default: return event satisfies never
  }
}

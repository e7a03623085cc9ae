import { decodeInterfaceAddress } from './address.ts'
import type { InterfaceAddress } from './address.ts'
import * as k from './kernel-constants.gen.ts'
import { decodeLink } from './link.ts'
import type { Link } from './link.ts'
import type { NetlinkMessage } from './message.ts'
import { decodeRoute } from './route.ts'
import type { Route } from './route.ts'
import { decodeRule } from './rule.ts'
import type { Rule } from './rule.ts'

/** A notification of {@link monitor} about links, addresses, routes or rules. `gone`: the object was deleted. */
export type RouteEvent =
  | { readonly kind: 'link', readonly gone: boolean, readonly link: Link }
  | { readonly kind: 'address', readonly gone: boolean, readonly address: InterfaceAddress }
  | { readonly kind: 'route', readonly gone: boolean, readonly route: Route }
  | { readonly kind: 'rule', readonly gone: boolean, readonly rule: Rule }

/**
 * Reads a notification. The kernel does not tell of IPv4 routes that it drops because their link went down: the link's own
 * event is the sign.
 *
 * @returns `undefined` for other kinds and families.
 * @throws {NetlinkDecodeError} If the message is not what its type says.
 */
export function decodeRouteEvent(message: NetlinkMessage): RouteEvent | undefined {
  switch (message.type) {
    case k.RTM_NEWLINK:
    case k.RTM_DELLINK:
      return { kind: 'link', gone: message.type === k.RTM_DELLINK, link: decodeLink(message) }
    case k.RTM_NEWADDR:
    case k.RTM_DELADDR: {
      const address = decodeInterfaceAddress(message)
      return address === undefined ? undefined : { kind: 'address', gone: message.type === k.RTM_DELADDR, address }
    }
    case k.RTM_NEWROUTE:
    case k.RTM_DELROUTE: {
      const route = decodeRoute(message)
      return route === undefined ? undefined : { kind: 'route', gone: message.type === k.RTM_DELROUTE, route }
    }
    case k.RTM_NEWRULE:
    case k.RTM_DELRULE: {
      const rule = decodeRule(message)
      return rule === undefined ? undefined : { kind: 'rule', gone: message.type === k.RTM_DELRULE, rule }
    }
    default:
      return undefined
  }
}

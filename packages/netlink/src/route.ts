// Read first: linux/rtnetlink.h (struct rtmsg, rtnexthop), ip-route(8).
import { formatCidr, ipToBytes } from '@weft/ip'
import type { Cidr, Family, IfIndex, IpAddress } from '@weft/ip'
import { addressFamily, cidrBytes, decodeCidr, decodeIp, decodeIpMaybe, familyNumber, familyOf } from './address-bytes.ts'
import { Attributes, decodeAttributes, readU16, readU32 } from './attributes.ts'
import { NetlinkDecodeError } from './errors.ts'
import { decodeIfIndexMaybe } from './if-index.ts'
import * as k from './kernel-constants.gen.ts'
import type { NetlinkMessage, NetlinkRequest } from './message.ts'
import { byNumber } from './names.ts'
import type { Names } from './names.ts'
import { align4 } from './netlink-protocol.ts'
import { scopeName, scopeNumber } from './scope.ts'
import type { Scope } from './scope.ts'
import { MessageWriter } from './writer.ts'

const RTMSG_LENGTH = 12
const FAMILY_AT = 0
const DST_LENGTH_AT = 1
const TABLE_AT = 4
const PROTOCOL_AT = 5
const SCOPE_AT = 6
const TYPE_AT = 7
const FLAGS_AT = 8

const RTNEXTHOP_LENGTH = 8
const RTNH_FLAGS_AT = 2
const RTNH_HOPS_AT = 3
const RTNH_INDEX_AT = 4

export type RouteType = 'unicast' | 'local' | 'broadcast' | 'anycast' | 'multicast' | 'blackhole' | 'unreachable' | 'prohibit' | 'throw'

const TYPES: Names<RouteType> = new Map([
  ['unicast', k.RTN_UNICAST],
  ['local', k.RTN_LOCAL],
  ['broadcast', k.RTN_BROADCAST],
  ['anycast', k.RTN_ANYCAST],
  ['multicast', k.RTN_MULTICAST],
  ['blackhole', k.RTN_BLACKHOLE],
  ['unreachable', k.RTN_UNREACHABLE],
  ['prohibit', k.RTN_PROHIBIT],
  ['throw', k.RTN_THROW],
])
const TYPE_NAMES = byNumber(TYPES)

/** One way of several that packets of a route may take. */
export interface NextHop {
  /** Router; absent on a link where the destination itself is reached. May be IPv6 for an IPv4 route (RFC 5549). */
  readonly via?: IpAddress | undefined
  /** Absent: the link that reaches `via`. */
  readonly ifIndex?: IfIndex | undefined
  /** 1 (default) to 256. */
  readonly weight?: number | undefined
  readonly onlink?: boolean | undefined
}

/** A route to be written. */
export interface RouteSpec {
  /** `0.0.0.0/0` or `::/0` is the default route. */
  readonly destination: Cidr
  readonly type?: RouteType | undefined
  readonly via?: IpAddress | undefined
  readonly ifIndex?: IfIndex | undefined
  /** Source address of packets that this machine sends (`src`). */
  readonly source?: IpAddress | undefined
  /** Table number; main (254) when absent. */
  readonly table?: number | undefined
  /** Who wrote the route: a number of one's own makes it recognisable. Static (4) when absent. */
  readonly protocol?: number | undefined
  readonly scope?: Scope | undefined
  /** The kernel reads 0 as 1024 for IPv6. */
  readonly metric?: number | undefined
  /** `via` counts as reachable on the link although no route says so. */
  readonly onlink?: boolean | undefined
  readonly mtu?: number | undefined
  readonly advertisedMss?: number | undefined
  /** Instead of `via` and `ifIndex`. */
  readonly nextHops?: readonly NextHop[] | undefined
}

/** A route as the kernel shows it. */
export interface Route {
  readonly family: Family
  readonly destination: Cidr
  readonly type: RouteType
  readonly via: IpAddress | undefined
  readonly ifIndex: IfIndex | undefined
  readonly source: IpAddress | undefined
  readonly table: number
  readonly protocol: number
  readonly scope: Scope
  readonly metric: number
  readonly onlink: boolean
  /** The link or the router is gone or down. */
  readonly dead: boolean
  readonly mtu: number | undefined
  readonly advertisedMss: number | undefined
  /** Empty unless the route has several. */
  readonly nextHops: readonly NextHop[]
}

export interface RouteFilter {
  readonly family?: Family | undefined
  readonly table?: number | undefined
  readonly protocol?: number | undefined
}

/** `ip route add|replace|del …` */
export function routeRequest(spec: RouteSpec, verb: { readonly name: string, readonly type: number, readonly flags: number }): NetlinkRequest {
  const { destination, table = k.RT_TABLE_MAIN } = spec
  const removing = verb.type === k.RTM_DELROUTE
  const writer = new MessageWriter(128)
    .putU8(addressFamily(destination))
    .putU8(destination.prefix)
    .putU8(0)
    .putU8(0)
    .putU8(table > 0xff ? k.RT_TABLE_COMPAT : table)
    .putU8(spec.protocol ?? (removing ? 0 : k.RTPROT_STATIC))
    .putU8(scopeNumber(spec.scope ?? (removing ? 'nowhere' : defaultScope(spec))))
    .putU8(spec.type === undefined && removing ? 0 : TYPES.get(spec.type ?? 'unicast')!)
    .putU32(spec.onlink === true ? k.RTNH_F_ONLINK : 0)
    .attrBytes(k.RTA_DST, cidrBytes(destination))
    .attrU32(k.RTA_TABLE, table)
  if (spec.via !== undefined) putGateway(writer, spec.via, destination.family)
  if (spec.ifIndex !== undefined) writer.attrU32(k.RTA_OIF, spec.ifIndex)
  if (spec.source !== undefined) writer.attrBytes(k.RTA_PREFSRC, ipToBytes(spec.source))
  if (spec.metric !== undefined) writer.attrU32(k.RTA_PRIORITY, spec.metric)
  if (spec.mtu !== undefined || spec.advertisedMss !== undefined) {
    writer.startNested(k.RTA_METRICS)
    if (spec.mtu !== undefined) writer.attrU32(k.RTAX_MTU, spec.mtu)
    if (spec.advertisedMss !== undefined) writer.attrU32(k.RTAX_ADVMSS, spec.advertisedMss)
    writer.endNested()
  }
  if (spec.nextHops !== undefined && spec.nextHops.length > 0) {
    writer.startNested(k.RTA_MULTIPATH)
    for (const hop of spec.nextHops) writer.putBytes(encodeNextHop(hop, destination.family))
    writer.endNested()
  }
  return { operation: `${verb.name} route "${formatCidr(destination)}" in table ${table}`, type: verb.type, flags: verb.flags, payload: writer.bytes() }
}

/** As `ip route` chooses: what is on the link reaches no further than the link. IPv6 knows no scopes. */
function defaultScope(spec: RouteSpec): Scope {
  if (spec.destination.family === 6) return 'global'
  const type = spec.type ?? 'unicast'
  if (type === 'local') return 'host'
  const direct = spec.via === undefined && (spec.nextHops ?? []).every((hop) => hop.via === undefined)
  return direct && (type === 'unicast' || type === 'broadcast' || type === 'multicast' || type === 'anycast') ? 'link' : 'global'
}

/** RTA_GATEWAY, or RTA_VIA for a router of the other family (RFC 5549). */
function putGateway(writer: MessageWriter, via: IpAddress, family: Family): void {
  if (via.family === family) writer.attrBytes(k.RTA_GATEWAY, ipToBytes(via))
  else writer.attrBytes(k.RTA_VIA, new MessageWriter(18).putU16(addressFamily(via)).putBytes(ipToBytes(via)).bytes())
}

function encodeNextHop(hop: NextHop, family: Family): Uint8Array {
  const attributes = new MessageWriter(32)
  if (hop.via !== undefined) putGateway(attributes, hop.via, family)
  return new MessageWriter(48)
    .putU16(RTNEXTHOP_LENGTH + attributes.length)
    .putU8(hop.onlink === true ? k.RTNH_F_ONLINK : 0)
    .putU8((hop.weight ?? 1) - 1)
    .putU32(hop.ifIndex ?? 0)
    .putBytes(attributes.bytes())
    .bytes()
}

/** `ip route show table <table> proto <protocol>`; table and protocol are filtered in the kernel. */
export function listRoutesRequest(family: Family, filter: RouteFilter): NetlinkRequest {
  const writer = new MessageWriter(32)
    .putU8(familyNumber(family))
    .putZeros(4)
    .putU8(filter.protocol ?? 0)
    .putZeros(6)
  if (filter.table !== undefined) writer.attrU32(k.RTA_TABLE, filter.table)
  return { operation: `list IPv${family} routes`, type: k.RTM_GETROUTE, flags: 0, payload: writer.bytes() }
}

/** `ip route get <address>`: the route a packet would take. */
export function getRouteRequest(to: IpAddress, options: { readonly from?: IpAddress | undefined, readonly mark?: number | undefined, readonly ifIndex?: IfIndex | undefined }): NetlinkRequest {
  const bytes = ipToBytes(to)
  const writer = new MessageWriter(64)
    .putU8(addressFamily(to))
    .putU8(bytes.length * 8)
    .putU8(options.from === undefined ? 0 : bytes.length * 8)
    .putZeros(5)
    // IPv6 always tells the table, and strict checking refuses the flag.
    .putU32(to.family === 4 ? k.RTM_F_LOOKUP_TABLE : 0)
    .attrBytes(k.RTA_DST, bytes)
  if (options.from !== undefined) writer.attrBytes(k.RTA_SRC, ipToBytes(options.from))
  if (options.ifIndex !== undefined) writer.attrU32(k.RTA_OIF, options.ifIndex)
  if (options.mark !== undefined) writer.attrU32(k.RTA_MARK, options.mark)
  return { operation: 'look up route', type: k.RTM_GETROUTE, flags: 0, payload: writer.bytes() }
}

/**
 * @returns `undefined` for routes of other families and cached clones.
 * @throws {NetlinkDecodeError} If the message is no route.
 */
export function decodeRoute({ payload }: NetlinkMessage): Route | undefined {
  const attributes = decodeAttributes(payload, RTMSG_LENGTH)
  const family = familyOf(payload[FAMILY_AT])
  const type = TYPE_NAMES.get(payload[TYPE_AT]!)
  if (family === undefined || type === undefined) return undefined
  const flags = readU32(payload, FLAGS_AT)
  const metrics = attributes.nested(k.RTA_METRICS)
  const multipath = attributes.bytes(k.RTA_MULTIPATH)
  return {
    family,
    destination: decodeCidr(family, attributes.bytes(k.RTA_DST), payload[DST_LENGTH_AT]!),
    type,
    via: decodeGateway(attributes),
    ifIndex: decodeIfIndexMaybe(attributes.u32(k.RTA_OIF)),
    source: decodeIpMaybe(attributes.bytes(k.RTA_PREFSRC)),
    table: attributes.u32(k.RTA_TABLE) ?? payload[TABLE_AT]!,
    protocol: payload[PROTOCOL_AT]!,
    scope: scopeName(payload[SCOPE_AT]!),
    metric: attributes.u32(k.RTA_PRIORITY) ?? 0,
    onlink: (flags & k.RTNH_F_ONLINK) !== 0,
    dead: (flags & (k.RTNH_F_DEAD | k.RTNH_F_LINKDOWN)) !== 0,
    mtu: metrics?.u32(k.RTAX_MTU),
    advertisedMss: metrics?.u32(k.RTAX_ADVMSS),
    nextHops: multipath === undefined ? [] : decodeNextHops(multipath),
  }
}

function decodeGateway(attributes: Attributes): IpAddress | undefined {
  const gateway = attributes.bytes(k.RTA_GATEWAY)
  if (gateway !== undefined) return decodeIp(gateway)
  const via = attributes.bytes(k.RTA_VIA)
  return via === undefined || via.length < 2 ? undefined : decodeIp(via.subarray(2))
}

function decodeNextHops(bytes: Uint8Array): NextHop[] {
  const hops: NextHop[] = []
  let at = 0
  while (bytes.length - at >= RTNEXTHOP_LENGTH) {
    const length = readU16(bytes, at)
    if (length < RTNEXTHOP_LENGTH || length > bytes.length - at) throw new NetlinkDecodeError(`next hop at ${at}: its length is ${length}, ${bytes.length - at} bytes are left`)
    const attributes = new Attributes(bytes, at + RTNEXTHOP_LENGTH, at + length)
    hops.push({
      via: decodeGateway(attributes),
      ifIndex: decodeIfIndexMaybe(readU32(bytes, at + RTNH_INDEX_AT)),
      weight: bytes[at + RTNH_HOPS_AT]! + 1,
      onlink: (bytes[at + RTNH_FLAGS_AT]! & k.RTNH_F_ONLINK) !== 0,
    })
    at += align4(length)
  }
  return hops
}

// Read first: rtnetlink(7), linux/if_link.h.
import { ipToBytes, macToBytes } from '@weft/ip'
import type { IfIndex, IpAddress, MacAddress } from '@weft/ip'
import { decodeIpMaybe, decodeMacMaybe } from './address-bytes.ts'
import type { Attributes } from './attributes.ts'
import { decodeAttributes, readU16, readU32 } from './attributes.ts'
import { decodeIfIndex, decodeIfIndexMaybe } from './if-index.ts'
import * as k from './kernel-constants.gen.ts'
import { AF_BRIDGE } from './libc.ts'
import type { BridgePortChange, BridgeSpec, LinkBase, LinkChange, LinkSpec, VxlanSpec } from './link-spec.ts'
import type { NetlinkMessage, NetlinkRequest } from './message.ts'
import { NLM_F_CREATE, NLM_F_EXCL } from './netlink-protocol.ts'
import { MessageWriter } from './writer.ts'

const IFINFOMSG_LENGTH = 16
const IFI_TYPE_AT = 2
const IFI_INDEX_AT = 4
const IFI_FLAGS_AT = 8

/** RFC 2863 states, by IFLA_OPERSTATE. */
const OPER_STATES: readonly OperState[] = ['unknown', 'notpresent', 'down', 'lowerlayerdown', 'testing', 'dormant', 'up']
export type OperState = 'unknown' | 'notpresent' | 'down' | 'lowerlayerdown' | 'testing' | 'dormant' | 'up'

/** A link as the kernel shows it. */
export interface Link {
  readonly index: IfIndex
  readonly name: string
  /** `veth`, `bridge`, `vxlan`, …; `undefined` for hardware and loopback. */
  readonly kind: string | undefined
  readonly mac: MacAddress | undefined
  readonly mtu: number
  /** Administratively up (IFF_UP). */
  readonly up: boolean
  /** Up and with a carrier (IFF_RUNNING). */
  readonly running: boolean
  readonly operState: OperState
  /** IFF_ flags. */
  readonly flags: number
  /** ARPHRD_ type: 1 Ethernet, 772 loopback, 65534 none. */
  readonly hardware: number
  /** Index of the bridge this link is a port of. */
  readonly master: IfIndex | undefined
  /** Index of the other end (veth) or the underlay link, in the namespace `peerNetnsId` if that is set. */
  readonly peerIndex: IfIndex | undefined
  /** Id, in the socket's namespace, of the namespace the other end is in. */
  readonly peerNetnsId: number | undefined
  readonly alias: string | undefined
  readonly group: number
  /** Root queueing discipline: `noqueue`, `tbf`, … */
  readonly qdisc: string | undefined
  /** Of a bridge: whether frames of both IPv4 and IPv6 meet the hooks of IP, as far as the bridge itself says. */
  readonly ipHooks: boolean | undefined
  readonly vxlan: VxlanDetails | undefined
}

/** What a VXLAN link was made with. */
export interface VxlanDetails {
  readonly vni: number
  readonly port: number
  readonly local: IpAddress | undefined
  readonly remote: IpAddress | undefined
  readonly device: IfIndex | undefined
  readonly learning: boolean
  readonly ttl: number
  readonly udpChecksum: boolean
  readonly udp6ZeroChecksum: boolean
}

interface Header {
  readonly family?: number
  readonly index?: IfIndex | undefined
  /** Undefined leaves the link's state alone. */
  readonly up?: boolean | undefined
}

function putHeader(writer: MessageWriter, { family = 0, index, up }: Header): MessageWriter {
  return writer
    .putU8(family)
    .putZeros(3)
    .putU32(index ?? 0)
    .putU32(up === true ? k.IFF_UP : 0)
    .putU32(up === undefined ? 0 : k.IFF_UP)
}

/** `ip link add <name> type <kind> …` */
export function addLinkRequest(spec: LinkSpec): NetlinkRequest {
  const writer = putHeader(new MessageWriter(), spec)
  putBase(writer, spec)
  if (spec.master !== undefined) writer.attrU32(k.IFLA_MASTER, spec.master)
  writer.startNested(k.IFLA_LINKINFO).attrString(k.IFLA_INFO_KIND, spec.kind)
  switch (spec.kind) {
    case 'veth':
      // The peer is a link message of its own, header included, inside the attribute.
      writer.startNested(k.IFLA_INFO_DATA).startNestedPlain(k.VETH_INFO_PEER)
      putBase(putHeader(writer, spec.peer), spec.peer)
      writer.endNested().endNested()
      break
    case 'bridge':
      putBridge(writer, spec)
      break
    case 'vxlan':
      putVxlan(writer, spec)
      break
    case 'dummy':
    case 'ifb':
    case 'wireguard':
      break
    default:
      spec satisfies never
  }
  writer.endNested()
  return { operation: `add ${spec.kind} link "${spec.name}"`, type: k.RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, payload: writer.bytes() }
}

function putBase(writer: MessageWriter, base: Omit<LinkBase, 'master'>): void {
  writer.attrString(k.IFLA_IFNAME, base.name)
  if (base.mac !== undefined) writer.attrBytes(k.IFLA_ADDRESS, macToBytes(base.mac))
  if (base.mtu !== undefined) writer.attrU32(k.IFLA_MTU, base.mtu)
  if (base.netnsFd !== undefined) writer.attrU32(k.IFLA_NET_NS_FD, base.netnsFd)
  if (base.group !== undefined) writer.attrU32(k.IFLA_GROUP, base.group)
  if (base.queues !== undefined) writer.attrU32(k.IFLA_NUM_TX_QUEUES, base.queues).attrU32(k.IFLA_NUM_RX_QUEUES, base.queues)
}

function putBridge(writer: MessageWriter, spec: BridgeSpec): void {
  writer.startNested(k.IFLA_INFO_DATA)
  if (spec.ipHooks !== undefined) putIpHooks(writer, spec.ipHooks)
  if (spec.stp !== undefined) writer.attrU32(k.IFLA_BR_STP_STATE, Number(spec.stp))
  if (spec.vlanFiltering !== undefined) writer.attrU8(k.IFLA_BR_VLAN_FILTERING, Number(spec.vlanFiltering))
  if (spec.multicastSnooping !== undefined) writer.attrU8(k.IFLA_BR_MCAST_SNOOPING, Number(spec.multicastSnooping))
  writer.endNested()
}

function putIpHooks(writer: MessageWriter, on: boolean): void {
  writer.attrU8(k.IFLA_BR_NF_CALL_IPTABLES, Number(on)).attrU8(k.IFLA_BR_NF_CALL_IP6TABLES, Number(on))
}

function putVxlan(writer: MessageWriter, spec: VxlanSpec): void {
  writer.startNested(k.IFLA_INFO_DATA).attrU32(k.IFLA_VXLAN_ID, spec.vni).attrU16be(k.IFLA_VXLAN_PORT, spec.port).attrU8(k.IFLA_VXLAN_LEARNING, Number(spec.learning))
  if (spec.local !== undefined) writer.attrBytes(spec.local.family === 4 ? k.IFLA_VXLAN_LOCAL : k.IFLA_VXLAN_LOCAL6, ipToBytes(spec.local))
  if (spec.remote !== undefined) writer.attrBytes(spec.remote.family === 4 ? k.IFLA_VXLAN_GROUP : k.IFLA_VXLAN_GROUP6, ipToBytes(spec.remote))
  if (spec.device !== undefined) writer.attrU32(k.IFLA_VXLAN_LINK, spec.device)
  if (spec.ttl !== undefined) writer.attrU8(k.IFLA_VXLAN_TTL, spec.ttl)
  if (spec.udpChecksum !== undefined) writer.attrU8(k.IFLA_VXLAN_UDP_CSUM, Number(spec.udpChecksum))
  if (spec.udp6ZeroChecksum !== undefined) {
    writer.attrU8(k.IFLA_VXLAN_UDP_ZERO_CSUM6_TX, Number(spec.udp6ZeroChecksum)).attrU8(k.IFLA_VXLAN_UDP_ZERO_CSUM6_RX, Number(spec.udp6ZeroChecksum))
  }
  writer.endNested()
}

/** `ip link set dev <index> …` */
export function setLinkRequest(index: IfIndex, change: LinkChange): NetlinkRequest {
  const writer = putHeader(new MessageWriter(), { index, up: change.up })
  if (change.name !== undefined) writer.attrString(k.IFLA_IFNAME, change.name)
  if (change.mac !== undefined) writer.attrBytes(k.IFLA_ADDRESS, macToBytes(change.mac))
  if (change.mtu !== undefined) writer.attrU32(k.IFLA_MTU, change.mtu)
  if (change.master !== undefined) writer.attrU32(k.IFLA_MASTER, change.master)
  if (change.netnsFd !== undefined) writer.attrU32(k.IFLA_NET_NS_FD, change.netnsFd)
  if (change.alias !== undefined) writer.attrString(k.IFLA_IFALIAS, change.alias)
  if (change.group !== undefined) writer.attrU32(k.IFLA_GROUP, change.group)
  if (change.txQueueLength !== undefined) writer.attrU32(k.IFLA_TXQLEN, change.txQueueLength)
  if (change.ipHooks !== undefined) {
    writer.startNested(k.IFLA_LINKINFO).attrString(k.IFLA_INFO_KIND, 'bridge').startNested(k.IFLA_INFO_DATA)
    putIpHooks(writer, change.ipHooks)
    writer.endNested().endNested()
  }
  return { operation: `change link ${index}`, type: k.RTM_NEWLINK, flags: 0, payload: writer.bytes() }
}

/** `bridge link set dev <index> hairpin on …` */
export function setBridgePortRequest(index: IfIndex, change: BridgePortChange): NetlinkRequest {
  const writer = putHeader(new MessageWriter(), { family: AF_BRIDGE, index }).startNested(k.IFLA_PROTINFO)
  if (change.hairpin !== undefined) writer.attrU8(k.IFLA_BRPORT_MODE, Number(change.hairpin))
  if (change.learning !== undefined) writer.attrU8(k.IFLA_BRPORT_LEARNING, Number(change.learning))
  if (change.flood !== undefined) writer.attrU8(k.IFLA_BRPORT_UNICAST_FLOOD, Number(change.flood))
  if (change.isolated !== undefined) writer.attrU8(k.IFLA_BRPORT_ISOLATED, Number(change.isolated))
  writer.endNested()
  return { operation: `change bridge port ${index}`, type: k.RTM_SETLINK, flags: 0, payload: writer.bytes() }
}

/** `ip link del dev <index>` */
export function deleteLinkRequest(index: IfIndex): NetlinkRequest {
  return { operation: `delete link ${index}`, type: k.RTM_DELLINK, flags: 0, payload: putHeader(new MessageWriter(32), { index }).bytes() }
}

/** `ip link del group <group>`: all in the time of one. Refused as a whole if one of them is no virtual link. */
export function deleteLinkGroupRequest(group: number): NetlinkRequest {
  return { operation: `delete link group ${group}`, type: k.RTM_DELLINK, flags: 0, payload: putHeader(new MessageWriter(32), {}).attrU32(k.IFLA_GROUP, group).bytes() }
}

/** `ip link show dev <name>` */
export function getLinkRequest(nameOrIndex: string | IfIndex): NetlinkRequest {
  const writer = putHeader(new MessageWriter(64), { index: typeof nameOrIndex === 'number' ? nameOrIndex : undefined })
  if (typeof nameOrIndex === 'string') writer.attrString(k.IFLA_IFNAME, nameOrIndex)
  writer.attrU32(k.IFLA_EXT_MASK, k.RTEXT_FILTER_SKIP_STATS)
  return { operation: `read link ${typeof nameOrIndex === 'number' ? nameOrIndex : `"${nameOrIndex}"`}`, type: k.RTM_GETLINK, flags: 0, payload: writer.bytes() }
}

/** `ip link show`, optionally of one kind only. */
export function listLinksRequest(kind?: string): NetlinkRequest {
  const writer = putHeader(new MessageWriter(64), {}).attrU32(k.IFLA_EXT_MASK, k.RTEXT_FILTER_SKIP_STATS)
  if (kind !== undefined) writer.startNested(k.IFLA_LINKINFO).attrString(k.IFLA_INFO_KIND, kind).endNested()
  return { operation: 'list links', type: k.RTM_GETLINK, flags: 0, payload: writer.bytes() }
}

/** @throws {NetlinkDecodeError} If the message is no link. */
export function decodeLink({ payload }: NetlinkMessage): Link {
  const attributes = decodeAttributes(payload, IFINFOMSG_LENGTH)
  const flags = readU32(payload, IFI_FLAGS_AT)
  const info = attributes.nested(k.IFLA_LINKINFO)
  const kind = info?.string(k.IFLA_INFO_KIND)
  return {
    index: decodeIfIndex(readU32(payload, IFI_INDEX_AT)),
    name: attributes.string(k.IFLA_IFNAME) ?? '',
    kind,
    mac: decodeMacMaybe(attributes.bytes(k.IFLA_ADDRESS)),
    mtu: attributes.u32(k.IFLA_MTU) ?? 0,
    up: (flags & k.IFF_UP) !== 0,
    running: (flags & k.IFF_RUNNING) !== 0,
    operState: OPER_STATES[attributes.u8(k.IFLA_OPERSTATE) ?? 0] ?? 'unknown',
    flags,
    hardware: readU16(payload, IFI_TYPE_AT),
    master: decodeIfIndexMaybe(attributes.u32(k.IFLA_MASTER)),
    peerIndex: decodeIfIndexMaybe(attributes.u32(k.IFLA_LINK)),
    peerNetnsId: attributes.i32(k.IFLA_LINK_NETNSID),
    alias: attributes.string(k.IFLA_IFALIAS),
    group: attributes.u32(k.IFLA_GROUP) ?? 0,
    qdisc: attributes.string(k.IFLA_QDISC),
    ipHooks: kind === 'bridge' ? decodeIpHooks(info?.nested(k.IFLA_INFO_DATA)) : undefined,
    vxlan: kind === 'vxlan' ? decodeVxlan(info?.nested(k.IFLA_INFO_DATA)) : undefined,
  }
}

function decodeIpHooks(data: Attributes | undefined): boolean {
  return data?.u8(k.IFLA_BR_NF_CALL_IPTABLES) === 1 && data.u8(k.IFLA_BR_NF_CALL_IP6TABLES) === 1
}

function decodeVxlan(data: Attributes | undefined): VxlanDetails | undefined {
  if (data === undefined) return undefined
  return {
    vni: data.u32(k.IFLA_VXLAN_ID) ?? 0,
    port: data.u16be(k.IFLA_VXLAN_PORT) ?? 0,
    local: decodeIpMaybe(data.bytes(k.IFLA_VXLAN_LOCAL) ?? data.bytes(k.IFLA_VXLAN_LOCAL6)),
    remote: decodeIpMaybe(data.bytes(k.IFLA_VXLAN_GROUP) ?? data.bytes(k.IFLA_VXLAN_GROUP6)),
    device: decodeIfIndexMaybe(data.u32(k.IFLA_VXLAN_LINK)),
    learning: data.u8(k.IFLA_VXLAN_LEARNING) !== 0,
    ttl: data.u8(k.IFLA_VXLAN_TTL) ?? 0,
    udpChecksum: data.u8(k.IFLA_VXLAN_UDP_CSUM) === 1,
    udp6ZeroChecksum: data.u8(k.IFLA_VXLAN_UDP_ZERO_CSUM6_TX) === 1,
  }
}

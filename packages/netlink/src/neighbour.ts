// Read first: linux/neighbour.h, ip-neighbour(8), bridge(8).
import { formatIp, ipToBytes, macToBytes } from '@weft/ip'
import type { Family, IfIndex, IpAddress, MacAddress } from '@weft/ip'
import { addressFamily, decodeIp, decodeIpMaybe, decodeMacMaybe, familyNumber, familyOf } from './address-bytes.ts'
import { decodeAttributes, readU16, readU32 } from './attributes.ts'
import { decodeIfIndex, decodeIfIndexMaybe } from './if-index.ts'
import * as k from './kernel-constants.gen.ts'
import { AF_BRIDGE } from './libc.ts'
import type { NetlinkMessage, NetlinkRequest } from './message.ts'
import { byNumber } from './names.ts'
import type { Names } from './names.ts'
import { MessageWriter } from './writer.ts'

const NDMSG_LENGTH = 12
const FAMILY_AT = 0
const INDEX_AT = 4
const STATE_AT = 8
const FLAGS_AT = 10

export type NeighbourState = 'incomplete' | 'reachable' | 'stale' | 'delay' | 'probe' | 'failed' | 'noarp' | 'permanent' | 'none'

const STATES: Names<NeighbourState> = new Map([
  ['incomplete', k.NUD_INCOMPLETE],
  ['reachable', k.NUD_REACHABLE],
  ['stale', k.NUD_STALE],
  ['delay', k.NUD_DELAY],
  ['probe', k.NUD_PROBE],
  ['failed', k.NUD_FAILED],
  ['noarp', k.NUD_NOARP],
  ['permanent', k.NUD_PERMANENT],
  ['none', 0],
])
const STATE_NAMES = byNumber(STATES)

/** An entry of the ARP or neighbour discovery table. */
export interface NeighbourSpec {
  readonly ifIndex: IfIndex
  readonly address: IpAddress
  /** Absent for a proxy entry. */
  readonly mac?: MacAddress | undefined
  /** `permanent` when absent. */
  readonly state?: NeighbourState | undefined
  /** This machine answers for the address on the link. */
  readonly proxy?: boolean | undefined
  /** Who wrote the entry, as with routes. */
  readonly protocol?: number | undefined
}

/** A neighbour as the kernel shows it. */
export interface Neighbour {
  /** Undefined: a proxy entry for all links. */
  readonly ifIndex: IfIndex | undefined
  readonly address: IpAddress
  readonly mac: MacAddress | undefined
  readonly state: NeighbourState
  readonly proxy: boolean
  readonly router: boolean
  readonly protocol: number
}

/** A forwarding entry: behind which tunnel end (VXLAN) or on which port (bridge) a MAC address is. */
export interface FdbSpec {
  readonly ifIndex: IfIndex
  /** All zeros is where a VXLAN link sends what it knows no place for. */
  readonly mac: MacAddress
  /** Address of the tunnel end, for VXLAN. */
  readonly destination?: IpAddress | undefined
  readonly port?: number | undefined
  readonly vni?: number | undefined
  /** Index of the link to send through. */
  readonly via?: IfIndex | undefined
  /** `self`: the link's own table (default); `master`: the table of the bridge it is a port of. */
  readonly table?: 'self' | 'master' | undefined
}

export interface FdbEntry {
  readonly ifIndex: IfIndex
  readonly mac: MacAddress
  readonly destination: IpAddress | undefined
  readonly port: number | undefined
  readonly vni: number | undefined
  readonly master: IfIndex | undefined
  readonly permanent: boolean
  /** Said, not learned, and no address of the link itself. */
  readonly static: boolean
  readonly self: boolean
}

interface Verb {
  readonly name: string
  readonly type: number
  readonly flags: number
}

function putHeader(writer: MessageWriter, header: { readonly family: number, readonly ifIndex?: IfIndex | undefined, readonly state: number, readonly flags: number }): MessageWriter {
  return writer.putU8(header.family).putZeros(3).putU32(header.ifIndex ?? 0).putU16(header.state).putU8(header.flags).putU8(0)
}

/** `ip neighbour replace|del …` */
export function neighbourRequest(spec: NeighbourSpec, verb: Verb): NetlinkRequest {
  const proxy = spec.proxy === true
  const writer = putHeader(new MessageWriter(64), {
    family: addressFamily(spec.address),
    ifIndex: spec.ifIndex,
    state: proxy ? 0 : STATES.get(spec.state ?? 'permanent')!,
    flags: proxy ? k.NTF_PROXY : 0,
  }).attrBytes(k.NDA_DST, ipToBytes(spec.address))
  if (spec.mac !== undefined) writer.attrBytes(k.NDA_LLADDR, macToBytes(spec.mac))
  if (spec.protocol !== undefined) writer.attrU8(k.NDA_PROTOCOL, spec.protocol)
  return { operation: `${verb.name} neighbour "${formatIp(spec.address)}" on link ${spec.ifIndex}`, type: verb.type, flags: verb.flags, payload: writer.bytes() }
}

/** `ip neighbour show [proxy]` */
export function listNeighboursRequest(filter: { readonly family?: Family | undefined, readonly ifIndex?: IfIndex | undefined, readonly proxy?: boolean | undefined }): NetlinkRequest {
  const writer = putHeader(new MessageWriter(32), {
    family: filter.family === undefined ? 0 : familyNumber(filter.family),
    state: 0,
    flags: filter.proxy === true ? k.NTF_PROXY : 0,
  })
  if (filter.ifIndex !== undefined) writer.attrU32(k.NDA_IFINDEX, filter.ifIndex)
  return { operation: 'list neighbours', type: k.RTM_GETNEIGH, flags: 0, payload: writer.bytes() }
}

/** @returns `undefined` for other families. */
export function decodeNeighbour({ payload }: NetlinkMessage): Neighbour | undefined {
  const attributes = decodeAttributes(payload, NDMSG_LENGTH)
  const address = attributes.bytes(k.NDA_DST)
  if (familyOf(payload[FAMILY_AT]) === undefined || address === undefined) return undefined
  const flags = payload[FLAGS_AT]!
  return {
    ifIndex: decodeIfIndexMaybe(readU32(payload, INDEX_AT)),
    address: decodeIp(address),
    mac: decodeMacMaybe(attributes.bytes(k.NDA_LLADDR)),
    state: STATE_NAMES.get(readU16(payload, STATE_AT)) ?? 'none',
    proxy: (flags & k.NTF_PROXY) !== 0,
    router: (flags & k.NTF_ROUTER) !== 0,
    protocol: attributes.u8(k.NDA_PROTOCOL) ?? 0,
  }
}

/** `bridge fdb append|replace|del <mac> dev <index> dst <destination> self permanent` */
export function fdbRequest(spec: FdbSpec, verb: Verb): NetlinkRequest {
  const writer = putHeader(new MessageWriter(64), {
    family: AF_BRIDGE,
    ifIndex: spec.ifIndex,
    // A permanent entry of a bridge is an address of its own.
    state: spec.table === 'master' ? k.NUD_NOARP | k.NUD_REACHABLE : k.NUD_NOARP | k.NUD_PERMANENT,
    flags: spec.table === 'master' ? k.NTF_MASTER : k.NTF_SELF,
  }).attrBytes(k.NDA_LLADDR, macToBytes(spec.mac))
  if (spec.destination !== undefined) writer.attrBytes(k.NDA_DST, ipToBytes(spec.destination))
  if (spec.port !== undefined) writer.attrU16be(k.NDA_PORT, spec.port)
  if (spec.vni !== undefined) writer.attrU32(k.NDA_VNI, spec.vni)
  if (spec.via !== undefined) writer.attrU32(k.NDA_IFINDEX, spec.via)
  return { operation: `${verb.name} forwarding entry "${spec.mac}" on link ${spec.ifIndex}`, type: verb.type, flags: verb.flags, payload: writer.bytes() }
}

/** `bridge fdb show [dev <index>]` */
export function listFdbRequest(ifIndex?: IfIndex): NetlinkRequest {
  const payload = putHeader(new MessageWriter(16), { family: AF_BRIDGE, ifIndex, state: 0, flags: 0 }).bytes()
  return { operation: `list forwarding entries of ${ifIndex === undefined ? 'all links' : `link ${ifIndex}`}`, type: k.RTM_GETNEIGH, flags: 0, payload }
}

/** @returns `undefined` for what is no forwarding entry. */
export function decodeFdbEntry({ payload }: NetlinkMessage): FdbEntry | undefined {
  const attributes = decodeAttributes(payload, NDMSG_LENGTH)
  const mac = decodeMacMaybe(attributes.bytes(k.NDA_LLADDR))
  if (payload[FAMILY_AT] !== AF_BRIDGE || mac === undefined) return undefined
  return {
    ifIndex: decodeIfIndex(readU32(payload, INDEX_AT)),
    mac,
    destination: decodeIpMaybe(attributes.bytes(k.NDA_DST)),
    port: attributes.u16be(k.NDA_PORT),
    vni: attributes.u32(k.NDA_VNI),
    master: decodeIfIndexMaybe(attributes.u32(k.NDA_MASTER)),
    permanent: (readU16(payload, STATE_AT) & k.NUD_PERMANENT) !== 0,
    static: (readU16(payload, STATE_AT) & (k.NUD_PERMANENT | k.NUD_NOARP)) === k.NUD_NOARP,
    self: (payload[FLAGS_AT]! & k.NTF_SELF) !== 0,
  }
}

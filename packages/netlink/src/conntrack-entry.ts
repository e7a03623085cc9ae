// Read first: linux/netfilter/nfnetlink_conntrack.h.
import { ipToBytes } from '@weft/ip'
import type { Family, IpAddress } from '@weft/ip'
import { decodeIp, familyOf } from './address-bytes.ts'
import type { Attributes } from './attributes.ts'
import { decodeAttributes } from './attributes.ts'
import { NetlinkDecodeError } from './errors.ts'
import * as k from './kernel-constants.gen.ts'
import type { NetlinkMessage } from './message.ts'
import type { MessageWriter } from './writer.ts'

/** Length of struct nfgenmsg, the header of all nfnetlink messages. */
export const NFGENMSG_LENGTH = 4

/** One direction of a flow. */
export interface ConntrackTuple {
  readonly source: IpAddress
  readonly destination: IpAddress
  /** IP protocol number. */
  readonly protocol: number
  readonly sourcePort: number | undefined
  readonly destinationPort: number | undefined
}

/** A flow the kernel tracks. */
export interface ConntrackEntry {
  readonly family: Family
  readonly protocol: number
  /** As the first packet was sent. */
  readonly original: ConntrackTuple
  /** As answers come: its source is where DNAT sent the flow, its destination what SNAT made of the client. */
  readonly reply: ConntrackTuple
  /** IPS_ bits. */
  readonly status: number
  readonly seenReply: boolean
  readonly assured: boolean
  readonly sourceNat: boolean
  readonly destinationNat: boolean
  readonly mark: number
  readonly zone: number
  readonly timeoutSeconds: number
  readonly id: number
  /** TCP_CONNTRACK_ state; undefined for other protocols. */
  readonly tcpState: number | undefined
  /** Only with `nf_conntrack_acct`. */
  readonly counters: ConntrackCounters | undefined
  /** The original tuple as the kernel wrote it: what names the flow in a deletion. */
  readonly key: Uint8Array
}

export interface ConntrackCounters {
  readonly originalPackets: bigint
  readonly originalBytes: bigint
  readonly replyPackets: bigint
  readonly replyBytes: bigint
}

/** @throws {NetlinkDecodeError} If the message is no flow. */
export function decodeConntrackEntry({ payload }: NetlinkMessage): ConntrackEntry {
  const attributes = decodeAttributes(payload, NFGENMSG_LENGTH)
  const family = familyOf(payload[0])
  const originalTuple = attributes.nested(k.CTA_TUPLE_ORIG)
  const replyTuple = attributes.nested(k.CTA_TUPLE_REPLY)
  const key = attributes.bytes(k.CTA_TUPLE_ORIG)
  if (family === undefined || originalTuple === undefined || replyTuple === undefined || key === undefined) throw new NetlinkDecodeError('flow: it lacks its family or one of its tuples')
  const original = decodeTuple(originalTuple)
  const status = attributes.u32be(k.CTA_STATUS) ?? 0
  return {
    family,
    protocol: original.protocol,
    original,
    reply: decodeTuple(replyTuple),
    status,
    seenReply: (status & k.IPS_SEEN_REPLY) !== 0,
    assured: (status & k.IPS_ASSURED) !== 0,
    sourceNat: (status & k.IPS_SRC_NAT) !== 0,
    destinationNat: (status & k.IPS_DST_NAT) !== 0,
    mark: attributes.u32be(k.CTA_MARK) ?? 0,
    zone: attributes.u16be(k.CTA_ZONE) ?? 0,
    timeoutSeconds: attributes.u32be(k.CTA_TIMEOUT) ?? 0,
    id: attributes.u32be(k.CTA_ID) ?? 0,
    tcpState: attributes.nested(k.CTA_PROTOINFO)?.nested(k.CTA_PROTOINFO_TCP)?.u8(k.CTA_PROTOINFO_TCP_STATE),
    counters: decodeCounters(attributes.nested(k.CTA_COUNTERS_ORIG), attributes.nested(k.CTA_COUNTERS_REPLY)),
    key,
  }
}

function decodeTuple(tuple: Attributes): ConntrackTuple {
  const ip = tuple.nested(k.CTA_TUPLE_IP)
  const proto = tuple.nested(k.CTA_TUPLE_PROTO)
  const source = ip?.bytes(k.CTA_IP_V4_SRC) ?? ip?.bytes(k.CTA_IP_V6_SRC)
  const destination = ip?.bytes(k.CTA_IP_V4_DST) ?? ip?.bytes(k.CTA_IP_V6_DST)
  if (source === undefined || destination === undefined) throw new NetlinkDecodeError('flow: a tuple lacks its addresses')
  return {
    source: decodeIp(source),
    destination: decodeIp(destination),
    protocol: proto?.u8(k.CTA_PROTO_NUM) ?? 0,
    sourcePort: proto?.u16be(k.CTA_PROTO_SRC_PORT),
    destinationPort: proto?.u16be(k.CTA_PROTO_DST_PORT),
  }
}

function decodeCounters(original: Attributes | undefined, reply: Attributes | undefined): ConntrackCounters | undefined {
  if (original === undefined || reply === undefined) return undefined
  return {
    originalPackets: original.u64be(k.CTA_COUNTERS_PACKETS) ?? 0n,
    originalBytes: original.u64be(k.CTA_COUNTERS_BYTES) ?? 0n,
    replyPackets: reply.u64be(k.CTA_COUNTERS_PACKETS) ?? 0n,
    replyBytes: reply.u64be(k.CTA_COUNTERS_BYTES) ?? 0n,
  }
}

/** Which flows. What is left out matches any. */
export interface ConntrackFilter {
  readonly family?: Family | undefined
  /** IP protocol number: 6 TCP, 17 UDP, 132 SCTP. */
  readonly protocol?: number | undefined
  readonly origSrc?: IpAddress | undefined
  readonly origDst?: IpAddress | undefined
  readonly origSport?: number | undefined
  readonly origDport?: number | undefined
  readonly replySrc?: IpAddress | undefined
  readonly replyDst?: IpAddress | undefined
  readonly replySport?: number | undefined
  readonly replyDport?: number | undefined
  readonly mark?: number | undefined
  /** Which bits of the mark count; all when absent. */
  readonly markMask?: number | undefined
  readonly zone?: number | undefined
}

/** Whether a flow is one the filter means. */
export function matchesFilter(entry: ConntrackEntry, filter: ConntrackFilter): boolean {
  return (
    (filter.family === undefined || entry.family === filter.family) &&
    (filter.protocol === undefined || entry.protocol === filter.protocol) &&
    sameIp(filter.origSrc, entry.original.source) &&
    sameIp(filter.origDst, entry.original.destination) &&
    (filter.origSport === undefined || entry.original.sourcePort === filter.origSport) &&
    (filter.origDport === undefined || entry.original.destinationPort === filter.origDport) &&
    sameIp(filter.replySrc, entry.reply.source) &&
    sameIp(filter.replyDst, entry.reply.destination) &&
    (filter.replySport === undefined || entry.reply.sourcePort === filter.replySport) &&
    (filter.replyDport === undefined || entry.reply.destinationPort === filter.replyDport) &&
    (filter.mark === undefined || (entry.mark & (filter.markMask ?? -1)) >>> 0 === filter.mark) &&
    (filter.zone === undefined || entry.zone === filter.zone)
  )
}

function sameIp(wanted: IpAddress | undefined, is: IpAddress): boolean {
  return wanted === undefined || (wanted.family === is.family && wanted.bits === is.bits)
}

// CTA_FILTER_F_… of the kernel's nf_conntrack_netlink.c: which fields of a tuple count.
const F_IP_SRC = 1 << 0
const F_IP_DST = 1 << 1
const F_PROTO_NUM = 1 << 3
const F_SRC_PORT = 1 << 4
const F_DST_PORT = 1 << 5

interface TupleFilter {
  readonly protocol: number | undefined
  readonly source: IpAddress | undefined
  readonly destination: IpAddress | undefined
  readonly sourcePort: number | undefined
  readonly destinationPort: number | undefined
}

/**
 * The filter as attributes for the kernel (CTA_FILTER, Linux 5.8), as far as it can be trusted with it. Older
 * kernels overlook it. So what comes back is filtered again.
 */
export function putFilter(writer: MessageWriter, filter: ConntrackFilter): MessageWriter {
  const original = { protocol: filter.protocol, source: filter.origSrc, destination: filter.origDst, sourcePort: filter.origSport, destinationPort: filter.origDport }
  const reply = { protocol: undefined, source: filter.replySrc, destination: filter.replyDst, sourcePort: filter.replySport, destinationPort: filter.replyDport }
  // A port means nothing without its protocol: leave such a filter to the second look.
  const originalFlags = flagsOf(original, filter.protocol)
  const replyFlags = flagsOf(reply, filter.protocol)
  if (originalFlags !== 0 || replyFlags !== 0) {
    if (originalFlags !== 0) putTuple(writer, k.CTA_TUPLE_ORIG, original, filter.protocol)
    if (replyFlags !== 0) putTuple(writer, k.CTA_TUPLE_REPLY, reply, filter.protocol)
    writer.startNested(k.CTA_FILTER)
    writer.attrU32(k.CTA_FILTER_ORIG_FLAGS, originalFlags)
    writer.attrU32(k.CTA_FILTER_REPLY_FLAGS, replyFlags)
    writer.endNested()
  }
  if (filter.mark !== undefined) writer.attrU32be(k.CTA_MARK, filter.mark).attrU32be(k.CTA_MARK_MASK, filter.markMask ?? 0xffff_ffff)
  if (filter.zone !== undefined) writer.attrU16be(k.CTA_ZONE, filter.zone)
  return writer
}

function flagsOf(tuple: TupleFilter, protocol: number | undefined): number {
  const ports = protocol === undefined ? 0 : (tuple.sourcePort === undefined ? 0 : F_SRC_PORT) | (tuple.destinationPort === undefined ? 0 : F_DST_PORT)
  return (
    (comparable(tuple.source) ? F_IP_SRC : 0) |
    (comparable(tuple.destination) ? F_IP_DST : 0) |
    (tuple.protocol === undefined && ports === 0 ? 0 : F_PROTO_NUM) |
    ports
  )
}

/** The kernel compares IPv6 addresses the wrong way round (seen in 6.18): it gives all flows but those asked for. */
function comparable(address: IpAddress | undefined): address is IpAddress {
  return address?.family === 4
}

function putTuple(writer: MessageWriter, type: number, tuple: TupleFilter, protocol: number | undefined): void {
  writer.startNested(type)
  if (comparable(tuple.source) || comparable(tuple.destination)) {
    writer.startNested(k.CTA_TUPLE_IP)
    if (comparable(tuple.source)) writer.attrBytes(k.CTA_IP_V4_SRC, ipToBytes(tuple.source))
    if (comparable(tuple.destination)) writer.attrBytes(k.CTA_IP_V4_DST, ipToBytes(tuple.destination))
    writer.endNested()
  }
  const ports = tuple.sourcePort !== undefined || tuple.destinationPort !== undefined
  if (protocol !== undefined && (tuple.protocol !== undefined || ports)) {
    writer.startNested(k.CTA_TUPLE_PROTO).attrU8(k.CTA_PROTO_NUM, protocol)
    if (tuple.sourcePort !== undefined) writer.attrU16be(k.CTA_PROTO_SRC_PORT, tuple.sourcePort)
    if (tuple.destinationPort !== undefined) writer.attrU16be(k.CTA_PROTO_DST_PORT, tuple.destinationPort)
    writer.endNested()
  }
  writer.endNested()
}

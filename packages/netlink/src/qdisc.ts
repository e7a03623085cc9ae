// Read first: tc-tbf(8), linux/pkt_sched.h.
import type { IfIndex } from '@weft/ip'
import * as k from './kernel-constants.gen.ts'
import { decodeAttributes, readU32 } from './attributes.ts'
import { decodeIfIndex } from './if-index.ts'
import type { NetlinkMessage, NetlinkRequest } from './message.ts'
import { NLM_F_CREATE, NLM_F_REPLACE } from './netlink-protocol.ts'
import { MessageWriter } from './writer.ts'

const TCMSG_PAD = 3
const RATESPEC_LENGTH = 12
/** Handle `1:`, as `tc` gives the first. */
const HANDLE = 1 << 16
const LARGEST_U32 = 0xffff_ffff
// struct tcmsg
const TCMSG_LENGTH = 20
const TCM_IFINDEX_AT = 4
const TCM_PARENT_AT = 12
// struct tc_tbf_qopt: two tc_ratespec, limit, buffer, mtu
const PARMS_RATE_AT = 8
const PARMS_BUFFER_AT = 28
const PARMS_LENGTH = 36
/** PSCHED_SHIFT 6: a tick is 64 ns. */
const SECONDS_PER_TICK = 64e-9

/** A token bucket: what a link may send. */
export interface TbfSpec {
  readonly ifIndex: IfIndex
  readonly bytesPerSecond: bigint
  /** Size of the bucket. */
  readonly burstBytes: number
  /** What waits at most; what comes beyond is dropped. */
  readonly limitBytes: number
}

/** As `tc qdisc replace dev … root tbf rate … burst … limit …`. */
export function replaceTbfRequest({ ifIndex, bytesPerSecond, burstBytes, limitBytes }: TbfSpec): NetlinkRequest {
  const rate = bytesPerSecond < BigInt(LARGEST_U32) ? Number(bytesPerSecond) : LARGEST_U32
  const writer = header(ifIndex).attrString(k.TCA_KIND, 'tbf').startNested(k.TCA_OPTIONS)
  writer.attrBytes(k.TCA_TBF_PARMS, new MessageWriter(64)
    .putU8(0).putU8(k.TC_LINKLAYER_ETHERNET).putU16(0).putU16(0).putU16(0).putU32(rate)
    .putZeros(RATESPEC_LENGTH)
    .putU32(limitBytes).putU32(0).putU32(0).bytes())
  // The rate above holds 32 bits; the burst in bytes spares us the ticks of the scheduler's clock.
  writer.attrU64(k.TCA_TBF_RATE64, bytesPerSecond).attrU32(k.TCA_TBF_BURST, burstBytes)
  return { operation: `set token bucket of link ${ifIndex}`, type: k.RTM_NEWQDISC, flags: NLM_F_CREATE | NLM_F_REPLACE, payload: writer.endNested().bytes() }
}

/** A token bucket without parameters: the kernel refuses it, with ENOENT if it has no such discipline. */
export function emptyTbfRequest(ifIndex: IfIndex): NetlinkRequest {
  return { operation: 'probe tbf', type: k.RTM_NEWQDISC, flags: NLM_F_CREATE | NLM_F_REPLACE, payload: header(ifIndex).attrString(k.TCA_KIND, 'tbf').bytes() }
}

/** A token bucket that a link has. */
export interface TokenBucket {
  readonly ifIndex: IfIndex
  readonly bytesPerSecond: bigint
  /** To within the kernel's clock: it keeps the time that the bucket takes to fill. */
  readonly burstBytes: number
}

/** `tc qdisc show`, of all links. */
export function listQdiscsRequest(): NetlinkRequest {
  return { operation: 'list queueing disciplines', type: k.RTM_GETQDISC, flags: 0, payload: new MessageWriter(32).putZeros(TCMSG_LENGTH).bytes() }
}

/**
 * @returns Undefined for other disciplines, and for buckets inside of others.
 * @throws {NetlinkDecodeError} If the message is no queueing discipline.
 */
export function decodeTokenBucket({ payload }: NetlinkMessage): TokenBucket | undefined {
  const attributes = decodeAttributes(payload, TCMSG_LENGTH)
  if (attributes.string(k.TCA_KIND) !== 'tbf' || readU32(payload, TCM_PARENT_AT) !== k.TC_H_ROOT) return undefined
  const options = attributes.nested(k.TCA_OPTIONS)
  const parameters = options?.bytes(k.TCA_TBF_PARMS)
  if (parameters === undefined || parameters.length < PARMS_LENGTH) return undefined
  const bytesPerSecond = options?.u64(k.TCA_TBF_RATE64) ?? BigInt(readU32(parameters, PARMS_RATE_AT))
  const burstBytes = Number(bytesPerSecond) * readU32(parameters, PARMS_BUFFER_AT) * SECONDS_PER_TICK
  return { ifIndex: decodeIfIndex(readU32(payload, TCM_IFINDEX_AT)), bytesPerSecond, burstBytes: Math.round(burstBytes) }
}

function header(ifIndex: IfIndex): MessageWriter {
  return new MessageWriter(128).putU8(0).putZeros(TCMSG_PAD).putU32(ifIndex).putU32(HANDLE).putU32(k.TC_H_ROOT).putU32(0)
}

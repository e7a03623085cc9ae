import type { IfIndex } from '@weft/ip'
import { requests } from '@weft/netlink'
import { z } from 'zod'
import type { PodLimit } from './model.ts'

/** One direction of a pod's link. */
export interface RateLimit {
  readonly bitsPerSecond: number
  readonly burstBits: number
}

/** What a pod may receive (`ingress`) and send; absent: as much as it can. */
export interface Bandwidth {
  readonly ingress?: RateLimit | undefined
  readonly egress?: RateLimit | undefined
}

/** The kernel counts a burst in 32 bits of bytes (CNI-46). */
const largestBurstBits = 0xffff_ffff * 8
/** How long a packet may wait for its turn; what would wait longer is dropped. As the reference plugin. */
const longestWaitSeconds = 0.025
const largestLimit = 0xffff_ffff

const rate = z.number().min(0).max(Number.MAX_SAFE_INTEGER)

/** Capability `bandwidth`, in bits and bits per second. */
interface BandwidthInput {
  readonly ingressRate?: number | null | undefined
  readonly ingressBurst?: number | null | undefined
  readonly egressRate?: number | null | undefined
  readonly egressBurst?: number | null | undefined
}

export const bandwidthSchema: z.ZodType<BandwidthInput> = z.object({ ingressRate: rate.nullish(), ingressBurst: rate.nullish(), egressRate: rate.nullish(), egressBurst: rate.nullish() })

/** @throws {RangeError} For a rate without a burst, and for a burst the kernel cannot hold. */
export function readBandwidth(input: BandwidthInput | null | undefined): Bandwidth | undefined {
  const ingress = readLimit('ingress', input?.ingressRate, input?.ingressBurst)
  const egress = readLimit('egress', input?.egressRate, input?.egressBurst)
  return ingress === undefined && egress === undefined ? undefined : { ingress, egress }
}

function readLimit(direction: string, bitsPerSecond: number | null | undefined, burstBits: number | null | undefined): RateLimit | undefined {
  const [rateGiven, burst] = [bitsPerSecond ?? 0, burstBits ?? 0]
  if (rateGiven === 0 && burst === 0) return undefined
  if (rateGiven === 0) throw new RangeError(`Cannot limit ${direction}: ${direction}Burst is ${burst} without a rate, wanted both`)
  if (burst === 0) throw new RangeError(`Cannot limit ${direction}: ${direction}Rate is ${rateGiven} without a burst, wanted both`)
  if (burst > largestBurstBits) throw new RangeError(`Cannot limit ${direction}: ${direction}Burst is ${burst} bits, the most is ${largestBurstBits}`)
  return { bitsPerSecond: rateGiven, burstBits: burst }
}

/** What one end of a link may send; a bucket that holds no whole frame would let nothing pass. */
export function limitRequests(ifIndex: IfIndex, limit: RateLimit | undefined, mtu: number): readonly ReturnType<typeof requests.replaceTbf>[] {
  if (limit === undefined) return []
  const { bytesPerSecond, burstBytes } = inBytes(limit, mtu)
  return [requests.replaceTbf({ ifIndex, bytesPerSecond: BigInt(bytesPerSecond), burstBytes, limitBytes: Math.min(largestLimit, Math.round(bytesPerSecond * longestWaitSeconds) + burstBytes) })]
}

/**
 * What the table drops of a pod's traffic. Of what it sends always, for the bucket on its own end is in its hands; with room for twice the burst, so that
 * what passed a bucket passes here. Of what it receives only where the kernel has no buckets.
 */
export function podLimits(hostIfname: string, bandwidth: Bandwidth | undefined, { shaping, mtu }: { readonly shaping: boolean, readonly mtu: number }): readonly PodLimit[] {
  const limits: PodLimit[] = []
  for (const direction of ['ingress', 'egress'] as const) {
    const limit = bandwidth?.[direction]
    if (limit === undefined || (shaping && direction === 'ingress')) continue
    const { bytesPerSecond, burstBytes } = inBytes(limit, mtu)
    const room = Math.min(largestLimit, burstBytes * (shaping ? 2 : 1))
    // No link reaches it, and the kernel has no number for it.
    if (bytesPerSecond + room > mostTokens) continue
    limits.push({ hostIfname, direction, bytesPerSecond, burstBytes: room })
  }
  return limits
}

/** Whether a link's bucket is the one that a limit makes; the kernel tells its size as a time. */
export function isBucketOf(bucket: { readonly bytesPerSecond: bigint, readonly burstBytes: number } | undefined, limit: RateLimit, mtu: number): boolean {
  if (bucket === undefined) return false
  const { bytesPerSecond, burstBytes } = inBytes(limit, mtu)
  if (bucket.bytesPerSecond !== BigInt(bytesPerSecond)) return false
  // A bucket that takes longer to fill is told modulo that time.
  return burstBytes / bytesPerSecond > longestToldSeconds || Math.abs(bucket.burstBytes - burstBytes) <= Math.max(roughBytes, burstBytes * roughShare, 2 * secondsPerTick * bytesPerSecond)
}

/** A rule counts in nanoseconds of a second's worth: 64 bits hold 18 GB. */
const mostTokens = Math.floor(2 ** 64 / 1e9)

/** PSCHED_SHIFT 6: the kernel tells times in ticks of 64 ns, as 32 bits. */
const secondsPerTick = 64e-9
const longestToldSeconds = 2 ** 32 * secondsPerTick
const roughBytes = 64
const roughShare = 0.01

function inBytes({ bitsPerSecond, burstBits }: RateLimit, mtu: number): { readonly bytesPerSecond: number, readonly burstBytes: number } {
  return { bytesPerSecond: Math.max(1, Math.round(bitsPerSecond / 8)), burstBytes: Math.max(Math.round(burstBits / 8), mtu + ethernetHeader) }
}

const ethernetHeader = 14

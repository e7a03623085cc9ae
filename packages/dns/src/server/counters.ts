import { rcodes, rrTypes } from '../wire/codes.ts'

/** Where a question was answered from. */
export const zoneKinds = ['cluster', 'reverse', 'other'] as const


/** Query types counted by name; the rest is `other`. */
export const countedTypes = ['A', 'AAAA', 'SRV', 'PTR', 'CNAME', 'TXT', 'SOA', 'NS', 'HTTPS', 'MX', 'ANY', 'other'] as const
export const countedRcodes = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED', 'BADVERS', 'other'] as const

/** Upper bounds of the latency histogram, in milliseconds. */
export const latencyBoundsMs = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000] as const

/** Single counters. */
const events = ['clientRefused', 'clientLimited', 'dropped', 'truncated', 'cacheHit', 'cacheStale', 'cacheMiss', 'prefetch', 'noUpstream', 'upstreamTimeout', 'upstreamFailed', 'upstreamForged', 'overload', 'loop', 'panic', 'tcpOpened', 'tcpEvicted', 'tcpTimeout'] as const
export type CountedEvent = (typeof events)[number]

const typeIndex = new Uint8Array(65_536).fill(countedTypes.indexOf('other'))
for (const [index, name] of countedTypes.entries()) if (name !== 'other') typeIndex[rrTypes[name]] = index
const rcodeIndex = new Uint8Array(4096).fill(countedRcodes.indexOf('other'))
for (const [index, name] of countedRcodes.entries()) if (name !== 'other') rcodeIndex[rcodes[name]] = index
const eventIndex = Object.fromEntries(events.map((name, index) => [name, index])) as Readonly<Record<CountedEvent, number>>

const queriesAt = 0
const responsesAt = queriesAt + zoneKinds.length * countedTypes.length
const latencyAt = responsesAt + zoneKinds.length * countedRcodes.length
// One more bucket for +Inf, one for the sum.
const eventsAt = latencyAt + latencyBoundsMs.length + 2
const size = eventsAt + events.length

/**
 * The counters of one thread in shared memory: adding is one array write on the hot path, reading works from outside.
 * `metrics.ts` turns them into Prometheus metrics when asked.
 */
export class Counters {
  readonly memory: SharedArrayBuffer
  readonly #values: Float64Array

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(size * Float64Array.BYTES_PER_ELEMENT)) {
    this.memory = memory
    this.#values = new Float64Array(memory)
  }

  /** @param zone Index in {@link zoneKinds}. */
  answered(zone: number, type: number, rcode: number): void {
    this.#values[queriesAt + zone * countedTypes.length + typeIndex[type]!]! += 1
    this.#values[responsesAt + zone * countedRcodes.length + rcodeIndex[rcode]!]! += 1
  }

  took(ms: number): void {
    let bucket = 0
    while (bucket < latencyBoundsMs.length && ms > latencyBoundsMs[bucket]!) bucket++
    this.#values[latencyAt + bucket]! += 1
    this.#values[latencyAt + latencyBoundsMs.length + 1]! += ms
  }

  event(name: CountedEvent): void {
    this.#values[eventsAt + eventIndex[name]]! += 1
  }

  queries(zone: number, type: number): number {
    return this.#values[queriesAt + zone * countedTypes.length + type]!
  }

  responses(zone: number, rcode: number): number {
    return this.#values[responsesAt + zone * countedRcodes.length + rcode]!
  }

  /** How many took no longer than each bound and longer than the one before; the last is for all that took longer. */
  latencies(): readonly number[] {
    return [...this.#values.subarray(latencyAt, latencyAt + latencyBoundsMs.length + 1)]
  }

  latencySumMs(): number {
    return this.#values[latencyAt + latencyBoundsMs.length + 1]!
  }

  events(name: CountedEvent): number {
    return this.#values[eventsAt + eventIndex[name]]!
  }
}

import type { Clock, Logger } from '@weft/daemon'
import { isDnsError } from '../dns-error.ts'
import type { Resolver } from '../forward/resolver.ts'
import { classes, rcodes, rrTypes } from '../wire/codes.ts'
import { createQueryView, noAnswer, type QueryView, readQuery } from '../wire/query-view.ts'
import { maxMessageBytes } from '../wire/message.ts'
import { type Answer, emptyAnswer } from '../zone/answer.ts'
import type { LiveZone } from '../zone/live-zone.ts'
import { followAlias } from '../zone/alias.ts'
import { lookup } from '../zone/lookup.ts'
import type { ClientGate } from './client-gate.ts'
import type { Counters } from './counters.ts'
import { type ReplyOptions, udpLimit, writeRefusal, writeReply } from './reply.ts'

export interface HandlerDeps {
  readonly zone: LiveZone
  readonly resolver: Resolver
  readonly gate: ClientGate
  readonly counters: Counters
  readonly clock: Clock
  readonly logger: Logger
  readonly rng: () => number
  readonly maxUdpBytes: number
}

/** One message that came, and the way back. */
export interface Arrival {
  readonly bytes: Uint8Array
  readonly address: string
  readonly transport: 'udp' | 'tcp'
  /** Takes a response that was not ready at once; the bytes are its own. */
  readonly later: (response: Uint8Array) => void
}

const cluster = 0
const reverse = 1
const other = 2

/** From a query's bytes to a response's bytes: reads, asks the gate, the zone, then upstreams. */
export class QueryHandler {
  readonly #deps: HandlerDeps
  readonly #query: QueryView = createQueryView()
  #turn: number

  constructor(deps: HandlerDeps) {
    this.#deps = deps
    this.#turn = Math.floor(deps.rng() * 0x7fff_ffff) | 1
  }

  /**
   * @param out At least 65535 bytes: the response when it is ready at once.
   * @returns Its length; 0 when there is none (yet).
   */
  handle(arrival: Arrival, out: Buffer): number {
    const { clock, counters, logger } = this.#deps
    const started = clock.now()
    try {
      const length = this.#handle(arrival, out, started)
      if (length > 0) counters.took(clock.now() - started)
      return length
    } catch (error) {
      // A bug must cost one answer, not the server (DNS-77).
      counters.event('panic')
      logger.error({ err: error, client: arrival.address }, 'question could not be answered')
      return this.#refuse(this.#query, rcodes.SERVFAIL, out)
    }
  }

  #handle(arrival: Arrival, out: Buffer, now: number): number {
    const { counters, gate, resolver, zone } = this.#deps
    const query = this.#query
    const fault = readQuery(arrival.bytes, query)
    if (fault === noAnswer) {
      counters.event('dropped')
      return 0
    }
    const verdict = gate.judge(arrival.address, arrival.transport === 'udp' ? now : undefined)
    if (verdict !== 'answer') {
      counters.event(verdict === 'refuse' ? 'clientRefused' : 'clientLimited')
      return verdict === 'refuse' ? this.#refuse(query, rcodes.REFUSED, out) : this.#limit(query, out)
    }
    if (fault !== rcodes.NOERROR) return this.#refuse(query, fault, out)
    const { type } = query
    if (query.class !== classes.IN || type === rrTypes.AXFR || type === rrTypes.IXFR || type === rrTypes.OPT) return this.#refuse(query, rcodes.REFUSED, out)

    const found = lookup(zone, query.name, type)
    if (found === undefined) return this.#elsewhere(arrival, out, now)
    if (found.kind === 'answer') return this.#answer(query, found, { arrival, out, zone: query.name.bytes[query.name.length - 2] === 0x61 ? reverse : cluster })
    const local = followAlias(zone, found, type)
    if (local.kind === 'answer') return this.#answer(query, local, { arrival, out, zone: cluster })
    this.#later(arrival, cluster, async (own) => await resolver.complete(local, own.type))
    return 0
  }

  /** A name that is not ours. */
  #elsewhere(arrival: Arrival, out: Buffer, now: number): number {
    const { resolver } = this.#deps
    const query = this.#query
    if (resolver.isLoopProbe(query)) return this.#refuse(query, rcodes.REFUSED, out)
    const kept = resolver.cached(query, now)
    if (kept !== undefined) return this.#answer(query, kept.answer, { arrival, out, zone: other, ageSeconds: kept.ageSeconds })
    if (!resolver.recursion) {
      this.#deps.counters.event('noUpstream')
      return this.#answer(query, { ...emptyAnswer, authoritative: false, rcode: rcodes.SERVFAIL }, { arrival, out, zone: other })
    }
    this.#later(arrival, other, async (own) => await resolver.resolve(own))
    return 0
  }

  /** Answers when a promise does; the query is read again into a view of its own, this one goes on to the next. */
  #later(arrival: Arrival, zone: number, resolve: (query: QueryView) => Promise<{ readonly answer: Answer, readonly staleTtlSeconds?: number | undefined }>): void {
    const { clock, counters, logger } = this.#deps
    const started = clock.now()
    const query = createQueryView()
    readQuery(arrival.bytes, query)
    const respond = async (): Promise<void> => {
      const out = Buffer.allocUnsafe(maxMessageBytes)
      let length: number
      try {
        const { answer, staleTtlSeconds } = await resolve(query)
        length = this.#answer(query, answer, { arrival, out, zone, staleTtlSeconds })
      } catch (error) {
        if (!isDnsError(error)) logger.error({ err: error }, 'question could not be forwarded')
        length = this.#answer(query, { ...emptyAnswer, authoritative: false, rcode: isDnsError(error, 'ERR_DNS_OVERLOAD') ? rcodes.REFUSED : rcodes.SERVFAIL }, { arrival, out, zone })
      }
      counters.took(clock.now() - started)
      arrival.later(length < 4096 ? Buffer.from(out.subarray(0, length)) : out.subarray(0, length))
    }
    void respond()
  }

  #answer(query: QueryView, answer: Answer, { ageSeconds = 0, arrival, out, staleTtlSeconds = 0, zone }: { readonly arrival: Arrival, readonly out: Buffer, readonly zone: number, readonly ageSeconds?: number, readonly staleTtlSeconds?: number | undefined }): number {
    const { counters, maxUdpBytes, resolver } = this.#deps
    counters.answered(zone, query.type, answer.rcode)
    const options: ReplyOptions = {
      limit: arrival.transport === 'udp' ? udpLimit(query, maxUdpBytes) : maxMessageBytes,
      ownUdpBytes: maxUdpBytes,
      recursion: resolver.recursion,
      turn: this.#nextTurn(),
      ageSeconds,
      staleTtlSeconds,
    }
    const length = writeReply(query, answer, out, options)
    if ((out[2]! & 0x02) !== 0) counters.event('truncated')
    return length
  }

  /** xorshift32: good enough to share load, and free. Its low bits alternate too regularly for pairs of questions. */
  #nextTurn(): number {
    let turn = this.#turn
    turn ^= turn << 13
    turn ^= turn >>> 17
    turn ^= turn << 5
    this.#turn = turn
    return turn >>> 8
  }

  #refuse(query: QueryView, rcode: number, out: Buffer): number {
    const { counters, maxUdpBytes, resolver } = this.#deps
    counters.answered(other, query.type, rcode)
    return writeRefusal(query, rcode, out, { ownUdpBytes: maxUdpBytes, recursion: resolver.recursion })
  }

  /** Nothing but "ask over TCP": a forged source cannot, and the response is no larger than the query. */
  #limit(query: QueryView, out: Buffer): number {
    const { maxUdpBytes, resolver } = this.#deps
    return writeRefusal(query, rcodes.NOERROR, out, { ownUdpBytes: maxUdpBytes, recursion: resolver.recursion, truncated: true })
  }
}

import type { ListenAddress } from '@weft/api'
import type { Clock, Logger } from '@weft/daemon'
import type { CacheConfig, ForwardConfig } from '../config.ts'
import { DnsError } from '../dns-error.ts'
import type { Counters } from '../server/counters.ts'
import { flags } from '../wire/codes.ts'
import { type Name, nameKey, parseName } from '../wire/name.ts'
import type { QueryView } from '../wire/query-view.ts'
import type { OpenChain } from '../zone/alias.ts'
import { type Answer, encodeAnswer } from '../zone/answer.ts'
import { lowerName } from '../zone/label.ts'
import { readAnswer } from '../zone/read-answer.ts'
import { AnswerCache, type Kept } from './answer-cache.ts'
import { Forwarder, isOpinion } from './forwarder.ts'
import type { LoopGuard } from './loop-guard.ts'
import { Upstream } from './upstream.ts'
import type { UpstreamAnswer } from './upstream-answer.ts'
import type { UpstreamQuestion } from './upstream-query.ts'

export interface ResolverDeps {
  readonly forward: Pick<ForwardConfig, 'hedgeAfter' | 'timeout' | 'caseRandomisation' | 'maxConcurrent' | 'stubDomains'>
  readonly cache: CacheConfig
  /** For everything without a stub domain; may be empty. */
  readonly upstreams: readonly ListenAddress[]
  readonly loops: LoopGuard
  readonly counters: Counters
  readonly clock: Clock
  readonly logger: Logger
}

export interface Resolved {
  readonly answer: Answer
  readonly ageSeconds?: number | undefined
  /** Set for answers past their life: the TTL to give them. */
  readonly staleTtlSeconds?: number | undefined
}

/** RFC 8767 §4: what stale data is given as TTL. */
const staleTtlSeconds = 30
/** How long clients wait for a fresh answer when a stale one is there. RFC 8767 says 1.8 s; libc gives up at 5. */
const staleAfterMs = 1000

/** Names outside the cluster: cache, then upstreams, then what the cache had. */
export class Resolver {
  readonly #deps: ResolverDeps
  readonly #cache: AnswerCache
  readonly #default: Forwarder | undefined
  /** By `nameKey` of the domain. */
  readonly #stubs: ReadonlyMap<string, Forwarder>
  readonly #asked = new Map<string, Promise<UpstreamAnswer>>()

  constructor(deps: ResolverDeps) {
    this.#deps = deps
    this.#cache = new AnswerCache(deps.cache)
    const forwarder = (servers: readonly ListenAddress[], loops: LoopGuard | undefined): Forwarder =>
      new Forwarder(servers.map((server) => new Upstream(server)), { ...deps, config: deps.forward, limits: deps.cache, loops })
    this.#default = deps.upstreams.length === 0 ? undefined : forwarder(deps.upstreams, deps.loops)
    this.#stubs = new Map(Object.entries(deps.forward.stubDomains).map(([domain, servers]) => [nameKey(parseName(domain)), forwarder(servers, undefined)]))
  }

  /** Whether anything outside can be asked: said to clients as RA. */
  get recursion(): boolean {
    return this.#default !== undefined || this.#stubs.size > 0
  }

  get cacheSize(): number {
    return this.#cache.size
  }

  /** True for this server's own probe coming back (DNS-80). */
  isLoopProbe(query: QueryView): boolean {
    return this.#deps.loops.recognise(query)
  }

  /** An answer whose life is not over; at once. */
  cached(query: QueryView, nowMs: number): Kept | undefined {
    const { counters } = this.#deps
    const key = keyOf(query.name.bytes, query.name.length, { type: query.type, dnssecOk: query.dnssecOk, checkingDisabled: checkingDisabled(query) })
    const kept = this.#cache.get(key, nowMs)
    if (kept === undefined || kept.stale) {
      counters.event('cacheMiss')
      return undefined
    }
    counters.event('cacheHit')
    if (kept.due && !this.#asked.has(key)) {
      counters.event('prefetch')
      // Nobody waits for it; its failure is counted where it happens.
      this.#ask(key, questionOf(query)).catch(() => undefined)
    }
    return kept
  }

  /**
   * Asks upstreams; a stale answer helps out when they are silent.
   *
   * @throws {DnsError} `ERR_DNS_UPSTREAM`, `ERR_DNS_OVERLOAD`.
   */
  async resolve(query: QueryView): Promise<Resolved> {
    return await this.#resolve(questionOf(query))
  }

  /** Finishes a chain of aliases that leads out of the cluster (DNS-12). Without upstreams the chain is the answer. */
  async complete({ owner, records, target }: OpenChain, type: number): Promise<Resolved> {
    const question: UpstreamQuestion = { name: lowerName(target), type, dnssecOk: false, checkingDisabled: false }
    if (this.#forwarderOf(question.name) === undefined) return { answer: encodeAnswer(owner, { answers: records }) }
    const { ageSeconds = 0, answer, staleTtlSeconds: staleTtl } = await this.#resolve(question)
    const message = readAnswer(answer, question.name as Name, type)
    const aged = message.answers
      .filter(({ data }) => data.type === 'A' || data.type === 'AAAA' || data.type === 'CNAME')
      .map((record) => ({ ...record, ttlSeconds: staleTtl ?? Math.max(0, record.ttlSeconds - ageSeconds) }))
    const authorities = aged.length > 0 ? [] : message.authorities.filter(({ data }) => data.type === 'SOA')
    return { answer: encodeAnswer(owner, { rcode: answer.rcode, answers: [...records, ...aged], authorities }) }
  }

  /** Looks after upstreams until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const forwarders = [...this.#stubs.values(), ...(this.#default === undefined ? [] : [this.#default])]
    await Promise.all(forwarders.map(async (forwarder) => await forwarder.run(signal)))
  }

  async #resolve(question: UpstreamQuestion): Promise<Resolved> {
    const { clock, counters } = this.#deps
    const key = keyOf(Buffer.from(question.name.buffer, question.name.byteOffset, question.name.length), question.name.length, question)
    const kept = this.#cache.get(key, clock.now())
    if (kept !== undefined && !kept.stale) return { answer: kept.answer, ageSeconds: kept.ageSeconds }
    const asked = this.#ask(key, question)
    if (kept === undefined) return { answer: (await asked).answer }
    const stale: Resolved = { answer: kept.answer, staleTtlSeconds }
    const fresh = asked.then(({ answer }): Resolved => (isOpinion(answer) ? { answer } : stale), () => stale)
    const done = new AbortController()
    // Upstreams that are known to be down are not waited for.
    const patienceMs = this.#forwarderOf(question.name)?.down === true ? 0 : staleAfterMs
    const patience = clock.sleep(patienceMs, { signal: done.signal }).then(() => stale, () => stale)
    const resolved = await Promise.race([fresh, patience])
    done.abort()
    if (resolved === stale) counters.event('cacheStale')
    return resolved
  }

  /** One question upstream at a time for all who ask the same. */
  #ask(key: string, question: UpstreamQuestion): Promise<UpstreamAnswer> {
    const asked = this.#asked.get(key)
    if (asked !== undefined) return asked
    const { clock, counters, forward } = this.#deps
    const forwarder = this.#forwarderOf(question.name)
    if (forwarder === undefined) {
      counters.event('noUpstream')
      return Promise.reject(new DnsError('ERR_DNS_UPSTREAM', 'Cannot forward question "outside the cluster": no upstream is configured, want one in forward.upstreams or resolv.conf'))
    }
    if (this.#asked.size >= forward.maxConcurrent) {
      counters.event('overload')
      return Promise.reject(new DnsError('ERR_DNS_OVERLOAD', `Cannot forward question "${this.#asked.size} are waiting": forward.maxConcurrent is ${forward.maxConcurrent}, want fewer`))
    }
    const asking = forwarder.ask(question).then((answer) => {
      this.#cache.put(key, answer, clock.now())
      return answer
    }).finally(() => this.#asked.delete(key))
    this.#asked.set(key, asking)
    return asking
  }

  #forwarderOf(name: Uint8Array): Forwarder | undefined {
    if (this.#stubs.size > 0) {
      const key = nameKey(name)
      // Label by label, the longest domain first: `notcorp.example` is not in `corp.example`.
      for (let at = 0; at < name.length; at += name[at]! + 1) {
        const stub = this.#stubs.get(key.slice(at))
        if (stub !== undefined) return stub
        if (name[at] === 0) break
      }
    }
    return this.#default
  }
}

function questionOf(query: QueryView): UpstreamQuestion {
  return { name: Uint8Array.from(query.name.bytes.subarray(0, query.name.length)), type: query.type, dnssecOk: query.dnssecOk, checkingDisabled: checkingDisabled(query) }
}

function checkingDisabled(query: QueryView): boolean {
  return (query.flags & flags.checkingDisabled) !== 0
}

/** Answers differ by DO and CD: a client without them must not get what one with them asked for (CVE-2024-0874). */
function keyOf(bytes: Buffer, length: number, { checkingDisabled, dnssecOk, type }: Pick<UpstreamQuestion, 'type' | 'dnssecOk' | 'checkingDisabled'>): string {
  return bytes.toString('latin1', 0, length) + String.fromCharCode(type, (dnssecOk ? 1 : 0) | (checkingDisabled ? 2 : 0))
}

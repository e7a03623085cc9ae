import { backoff, type Clock, type Logger } from '@weft/daemon'
import type { ForwardConfig } from '../config.ts'
import { DnsError } from '../dns-error.ts'
import type { Counters } from '../server/counters.ts'
import { rcodes, rrTypes } from '../wire/codes.ts'
import { rootName } from '../wire/name.ts'
import type { Answer } from '../zone/answer.ts'
import type { LoopGuard } from './loop-guard.ts'
import type { Upstream } from './upstream.ts'
import type { UpstreamAnswer } from './upstream-answer.ts'
import type { UpstreamQuestion } from './upstream-query.ts'

export interface ForwarderDeps {
  readonly config: Pick<ForwardConfig, 'hedgeAfter' | 'timeout' | 'caseRandomisation'>
  readonly limits: { readonly maxTtlSeconds: number, readonly maxNegativeTtlSeconds: number }
  readonly counters: Counters
  readonly clock: Clock
  readonly logger: Logger
  /** Absent for stub domains: their upstreams may well lead here for other names. */
  readonly loops: LoopGuard | undefined
}

/** A single upstream is asked that often when it stays silent: datagrams get lost. */
const attempts = 4
/** A failed upstream is asked whether it is back: soon, then less and less often. */
const probeWait = { baseMs: 500, maxMs: 8000 }
const probeTimeoutMs = 1000
const loopProbeIntervalMs = 30_000

/**
 * Asks a group of upstreams: the first healthy one, and the next each time nothing came for `hedgeAfter`; the first
 * good answer wins. So a dead upstream costs one `hedgeAfter`, and twice at most before it goes to the end of the queue.
 */
export class Forwarder {
  readonly upstreams: readonly Upstream[]
  readonly #deps: ForwarderDeps
  #wake: () => void = () => undefined

  constructor(upstreams: readonly Upstream[], deps: ForwarderDeps) {
    this.upstreams = upstreams
    this.#deps = deps
  }

  /** True when no upstream is known to work. */
  get down(): boolean {
    return this.upstreams.every((upstream) => upstream.down || upstream.looping)
  }

  /**
   * @returns What the first upstream with an opinion says; SERVFAIL and REFUSED count as opinions when all say so.
   * @throws {DnsError} `ERR_DNS_UPSTREAM` when none answered in time.
   */
  async ask(question: UpstreamQuestion): Promise<UpstreamAnswer> {
    const { clock, config, counters } = this.#deps
    const usable = this.upstreams.filter((upstream) => !upstream.looping)
    const order = [...usable.filter((upstream) => !upstream.down), ...usable.filter((upstream) => upstream.down)]
    if (order.length === 0) throw new DnsError('ERR_DNS_UPSTREAM', `Cannot forward question "${this.upstreams.length} upstreams": all of them lead back here, want one that does not`)
    const { promise, reject, resolve } = Promise.withResolvers<UpstreamAnswer>()
    const done = new AbortController()
    const refusals: UpstreamAnswer[] = []
    const attempt = async (upstream: Upstream): Promise<void> => {
      const started = clock.now()
      try {
        const answer = await upstream.ask(question, { ...this.#deps.limits, mixCase: config.caseRandomisation, onForged: () => counters.event('upstreamForged'), signal: done.signal })
        if (!isOpinion(answer.answer)) {
          refusals.push(answer)
          return
        }
        upstream.succeeded()
        resolve(answer)
      } catch {
        // One that was overtaken after its time counts as failed; one that was overtaken earlier had no chance.
        if (!done.signal.aborted || clock.now() - started >= config.hedgeAfter) {
          upstream.failed()
          if (upstream.down) this.#wake()
          counters.event('upstreamFailed')
        }
      }
    }
    const start = async (): Promise<void> => {
      const running: Promise<void>[] = []
      for (let turn = 0; turn < Math.max(attempts, order.length) && !done.signal.aborted && refusals.length < order.length; turn++) {
        const current = attempt(order[turn % order.length]!)
        running.push(current)
        const pause = clock.sleep(config.hedgeAfter, { signal: done.signal }).catch(() => undefined)
        // One that fails early makes room for the next at once; a second round waits.
        await (turn < order.length - 1 ? Promise.race([pause, current]) : Promise.race([pause, Promise.all(running).then(() => (refusals.length < order.length ? pause : undefined))]))
      }
      await Promise.all(running)
      if (refusals[0] !== undefined) resolve(refusals[0])
      else reject(this.#silent())
    }
    const deadline = async (): Promise<void> => {
      await clock.sleep(config.timeout, { signal: done.signal }).catch(() => undefined)
      if (done.signal.aborted) return
      counters.event('upstreamTimeout')
      reject(this.#silent())
    }
    void start()
    void deadline()
    try {
      return await promise
    } finally {
      done.abort()
    }
  }

  /** Looks after upstreams that failed or lead back here, until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#deps
    const wait = backoff(probeWait)
    let loopProbeAt = 0
    while (!signal.aborted) {
      if (clock.now() >= loopProbeAt) {
        loopProbeAt = clock.now() + loopProbeIntervalMs
        await Promise.all(this.upstreams.map(async (upstream, index) => await this.#probeLoop(upstream, index, signal)))
      }
      const down = this.upstreams.filter((upstream) => upstream.down)
      if (down.length === 0) {
        wait.reset()
        await this.#rest(loopProbeAt - clock.now(), signal)
        continue
      }
      await clock.sleep(wait.next(), { signal }).catch(() => undefined)
      await Promise.all(down.map(async (upstream) => await this.#probe(upstream, rootQuestion, signal).catch(() => undefined)))
    }
  }

  /** Waits that long, or until an upstream fails. */
  async #rest(ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController()
    this.#wake = () => woken.abort()
    await this.#deps.clock.sleep(ms, { signal: AbortSignal.any([signal, woken.signal]) }).catch(() => undefined)
  }

  async #probe(upstream: Upstream, question: UpstreamQuestion, signal: AbortSignal): Promise<void> {
    const { clock, limits } = this.#deps
    const done = new AbortController()
    const ends = AbortSignal.any([signal, done.signal])
    const timer = clock.sleep(probeTimeoutMs, { signal: ends }).then(() => done.abort(), () => undefined)
    try {
      await upstream.ask(question, { ...limits, mixCase: false, onForged: () => undefined, signal: ends })
      // Any response at all shows life.
      upstream.succeeded()
    } finally {
      done.abort()
      await timer
    }
  }

  async #probeLoop(upstream: Upstream, index: number, signal: AbortSignal): Promise<void> {
    const { counters, logger, loops } = this.#deps
    if (loops === undefined) return
    const before = loops.seen(index)
    await this.#probe(upstream, { ...rootQuestion, name: loops.probeName(index), type: rrTypes.HINFO }, signal).catch(() => undefined)
    const looping = loops.seen(index) !== before
    if (looping) counters.event('loop')
    if (looping && !upstream.looping) logger.error({ upstream: upstream.server.address }, 'upstream leads back to this server: it is not used')
    if (!looping && upstream.looping) logger.info({ upstream: upstream.server.address }, 'upstream no longer leads back to this server')
    upstream.looping = looping
  }

  #silent(): DnsError {
    return new DnsError('ERR_DNS_UPSTREAM', `Cannot forward question "${this.upstreams.length} upstreams": none answered within ${this.#deps.config.timeout} ms, want one`)
  }
}

const rootQuestion: UpstreamQuestion = { name: rootName, type: rrTypes.NS, dnssecOk: false, checkingDisabled: false }

/** Failures of the upstream itself are no answer as long as another may have one. */
export function isOpinion(answer: Answer): boolean {
  return answer.rcode === rcodes.NOERROR || answer.rcode === rcodes.NXDOMAIN
}

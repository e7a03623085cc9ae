import type { Clock, Logger } from '@weft/daemon'
import type { DnsProbe } from './dns-probe.ts'

/** What watches over the DNS server of this node. */
export interface LocalDnsOptions {
  /** Whether the DNS Service has a server on this node. */
  readonly isExpected: () => boolean
  readonly probe: Pick<DnsProbe, 'ask' | 'answer'>
  /** Sends the node's queries to its own server, or to those of other nodes. */
  readonly use: (local: boolean, signal: AbortSignal) => Promise<void>
  /** Waits that long, or until the server is seen to go: then the answer is true. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<boolean>
  readonly intervalMs: number
  /** How long it may be silent when it is asked again. */
  readonly timeoutMs: number
  readonly clock: Clock
  readonly logger: Logger
}

/** How often an answer is looked for that somebody waits for, in milliseconds. */
const lookMs = 5
/** How long queries may take to move before the agent exits all the same, in milliseconds. */
const farewellMs = 1000

/**
 * Keeps names resolvable on this node while its DNS server is away (design decision 8): it is asked every now and then, at once when it is
 * seen to go, and while it does not answer the node's queries go to servers of other nodes. An answer is looked for when the next
 * question is due, so that an idle agent wakes once for both.
 */
export class LocalDns {
  readonly #options: LocalDnsOptions
  #isUsed = true

  constructor(options: LocalDnsOptions) {
    this.#options = options
  }

  get isUsed(): boolean {
    return this.#isUsed
  }

  /** Before Services reach the kernel: a node that starts without its server does not send queries there first. */
  async begin(signal: AbortSignal): Promise<void> {
    if (this.#options.isExpected() && !(await this.#askNow(signal))) this.#turn(false, signal)
  }

  async run(stop: AbortSignal): Promise<void> {
    const { isExpected, pause, probe, intervalMs, clock } = this.#options
    // One of its own: a pause is taken off the list of who waits for it, and that of the whole agent is long.
    const signal = AbortSignal.any([stop])
    while (!signal.aborted) {
      if (!isExpected()) {
        await clock.sleep(intervalMs, { signal }).catch(() => undefined)
        continue
      }
      probe.ask()
      const went = await pause(intervalMs, signal)
      if (signal.aborted) return
      const answers = !went && probe.answer === true
      // One lost answer is no reason to move: it may be the load. The second is. And a server that crashes on its first query is not back.
      if (answers !== this.#isUsed && (await this.#askNow(signal)) === answers) this.#turn(answers, signal)
    }
  }

  /**
   * Moves queries away for good: a rollout stops the agent and the server of a node together. Resolves when the kernel
   * does so, or after a second.
   */
  async leave(): Promise<void> {
    const { isExpected, use, clock } = this.#options
    if (!isExpected() || !this.#isUsed) return
    const late = new AbortController()
    await Promise.race([use(false, late.signal).catch(() => undefined), clock.sleep(farewellMs)])
    late.abort()
  }

  /** The doubt is settled at once. */
  async #askNow(signal: AbortSignal): Promise<boolean> {
    const { clock, probe, timeoutMs } = this.#options
    const end = clock.now() + timeoutMs
    probe.ask()
    // What it says is looked at once more when the time is over: this process may have been late itself.
    for (let isLast = false; probe.answer === undefined && !isLast && !signal.aborted; ) {
      isLast = clock.now() >= end
      await clock.sleep(lookMs, { signal }).catch(() => undefined)
    }
    return probe.answer === true
  }

  #turn(local: boolean, signal: AbortSignal): void {
    const { use, logger } = this.#options
    this.#isUsed = local
    if (local) logger.info({}, 'the DNS server of this node answers again')
    else logger.warn({}, 'the DNS server of this node does not answer: queries go to other nodes')
    use(local, signal).catch((error: unknown) => {
      if (!signal.aborted) logger.warn({ err: error }, 'DNS could not be moved yet')
    })
  }
}

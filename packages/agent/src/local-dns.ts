import type { Clock, Logger } from '@weft/daemon'

/** What watches over the DNS server of this node. */
export interface LocalDnsOptions {
  /** Whether the DNS Service has a server on this node. */
  readonly isExpected: () => boolean
  readonly ask: () => Promise<boolean>
  /** Sends the node's queries to its own server, or to those of other nodes. */
  readonly use: (local: boolean, signal: AbortSignal) => Promise<void>
  /** Waits that long, or until the server is seen to go. */
  readonly pause: (ms: number, signal: AbortSignal) => Promise<void>
  readonly intervalMs: number
  readonly clock: Clock
  readonly logger: Logger
}

/** One lost answer is no reason to move: it may be the load. The second is. */
const failuresToLeave = 2
/** A server that crashes on its first query is not back. */
const answersToReturn = 2
/** How long queries may take to move before the agent exits all the same, in milliseconds. */
const farewellMs = 1000

/**
 * Keeps names resolvable on this node while its DNS server is away (design decision 8): it is asked every now and then, at once when it is
 * seen to go, and while it does not answer the node's queries go to servers of other nodes.
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
    const { isExpected, ask } = this.#options
    if (isExpected() && !(await ask())) this.#turn(false, signal)
  }

  async run(signal: AbortSignal): Promise<void> {
    const { isExpected, ask, pause, intervalMs } = this.#options
    let run = 0
    while (!signal.aborted) {
      if (isExpected()) {
        const answers = await ask()
        run = answers === this.#isUsed ? 0 : run + 1
        if (run >= (this.#isUsed ? failuresToLeave : answersToReturn)) {
          this.#turn(!this.#isUsed, signal)
          run = 0
        }
      }
      // The doubt is settled at once.
      if (run === 0) await pause(intervalMs, signal)
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

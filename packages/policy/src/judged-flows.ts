import { ctMarks } from '@weft/api'
import { type Clock, type Logger, Reconciler } from '@weft/daemon'
import { formatIp, type IpAddress } from '@weft/ip'

/** A connection, by its addresses and ports before and after translation. */
export interface Flow {
  /** Number of the IP protocol. */
  readonly protocol: number
  readonly original: { readonly source: IpAddress, readonly destination: IpAddress }
  readonly reply: { readonly source: IpAddress, readonly destination: IpAddress, readonly sourcePort: number | undefined }
}

/** Marks of connections; `Conntrack` of the netlink package is one. */
export interface FlowMarks {
  /** @returns How many there were. */
  remarkMatching(filter: { readonly mark: number, readonly markMask: number }, condition: (flow: Flow) => boolean, change: { readonly mark: number, readonly mask: number }): number
}

interface JudgedFlowsDeps {
  readonly marks: FlowMarks
  readonly clock: Clock
  readonly logger: Logger
  readonly minIntervalMs: number
  /** What policies say of connections now, asked for at most once a look. */
  readonly judge: () => (flow: Flow) => boolean
  readonly onRejudged: (flows: number) => void
}

/** Whose connections to look at. */
type Concerned = ReadonlySet<string> | 'all'

const nobody: Concerned = new Set()

/**
 * Connections that the kernel has judged and lets pass since. Those that a change may concern lose their mark, so the next
 * packet of their client is judged anew; all others are left alone. A second look comes a little later. Clients that have
 * been silent since are judged here, for answers to them would go on. And a packet that was under way between the chains
 * while they changed may have written a mark by the old ones: marks are taken once more.
 */
export class JudgedFlows {
  readonly #deps: JudgedFlowsDeps
  readonly #reconciler: Reconciler
  #first: Concerned = nobody
  #second: Concerned = nobody

  constructor(deps: JudgedFlowsDeps) {
    this.#deps = deps
    const { clock, logger, minIntervalMs } = deps
    this.#reconciler = new Reconciler({ name: 'policy-flows', clock, logger, minIntervalMs, reconcile: () => this.#sweep() })
  }

  /** The kernel's chains changed for these addresses, or who knows for whom. */
  rejudge(addresses: readonly IpAddress[] | 'all'): void {
    const added: Concerned = addresses === 'all' ? addresses : new Set(addresses.map(formatIp))
    if (isNobody(added)) return
    this.#first = together(this.#first, added)
    this.#reconciler.trigger()
  }

  /** These addresses are about to be somebody else's: nothing that was allowed to their owner is so any more. At once. */
  forget(addresses: readonly IpAddress[]): void {
    this.#deps.onRejudged(this.#forget(new Set(addresses.map(formatIp)), ctMarks.judged, ctMarks.judged))
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.#reconciler.run(signal)
  }

  #sweep(): void {
    const [first, second] = [this.#first, this.#second]
    // Who was denied just now stays so, unless another change concerns it.
    if (!isNobody(second)) this.#denySilent(second)
    const count = this.#forget(second, ctMarks.allowed, ctMarks.mask) + this.#forget(first, ctMarks.judged, ctMarks.judged)
    this.#deps.onRejudged(count)
    // Nothing can have come meanwhile: asking the kernel does not wait.
    this.#first = nobody
    this.#second = first
    if (!isNobody(first)) this.#reconciler.trigger()
  }

  /** Their clients are judged anew. */
  #forget(concerned: Concerned, mark: number, markMask: number): number {
    if (isNobody(concerned)) return 0
    return this.#deps.marks.remarkMatching({ mark, markMask }, (flow) => isConcerned(flow, concerned), { mark: ctMarks.pending, mask: ctMarks.mask })
  }

  #denySilent(concerned: Concerned): void {
    let judge: ((flow: Flow) => boolean) | undefined
    const isForbidden = (flow: Flow): boolean => {
      judge ??= this.#deps.judge()
      return !judge(flow)
    }
    this.#deps.marks.remarkMatching({ mark: ctMarks.pending, markMask: ctMarks.mask }, (flow) => isConcerned(flow, concerned) && isForbidden(flow), { mark: ctMarks.denied, mask: ctMarks.mask })
  }
}

function isNobody(concerned: Concerned): boolean {
  return concerned !== 'all' && concerned.size === 0
}

function together(a: Concerned, b: Concerned): Concerned {
  if (a === 'all' || b === 'all') return 'all'
  return a.size === 0 ? b : b.size === 0 ? a : new Set([...a, ...b])
}

function isConcerned({ original, reply }: Flow, concerned: Concerned): boolean {
  return concerned === 'all' || [original.source, original.destination, reply.source, reply.destination].some((ip) => concerned.has(formatIp(ip)))
}

import { ctMarks } from '@weft/api'
import { type Clock, type Logger, Reconciler } from '@weft/daemon'
import { formatIp, type IpAddress } from '@weft/ip'

/** A connection, by its addresses before and after translation. */
interface Flow {
  readonly original: { readonly source: IpAddress, readonly destination: IpAddress }
  readonly reply: { readonly source: IpAddress, readonly destination: IpAddress }
}

/** Marks of connections; `Conntrack` of the netlink package is one. */
export interface FlowMarks {
  remarkMatching(filter: { readonly mark: number, readonly markMask: number }, condition: (flow: Flow) => boolean, change: { readonly mark: number, readonly mask: number }): number
}

interface JudgedFlowsDeps {
  readonly marks: FlowMarks
  readonly clock: Clock
  readonly logger: Logger
  readonly minIntervalMs: number
  readonly onRejudged: (flows: number) => void
}

/** Whose connections to look at. */
type Concerned = ReadonlySet<string> | 'all'

const nobody: Concerned = new Set()

/**
 * Connections that the kernel has judged and lets pass since. Those that a change may concern lose their mark, so their next
 * packet is judged anew; all others are left alone. It is done twice: a packet that was under way between the chains while
 * they changed may have written the mark by the old ones.
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

  async run(signal: AbortSignal): Promise<void> {
    await this.#reconciler.run(signal)
  }

  #sweep(): void {
    const [first, concerned] = [this.#first, together(this.#first, this.#second)]
    if (isNobody(concerned)) return
    const count = this.#deps.marks.remarkMatching({ mark: ctMarks.judged, markMask: ctMarks.judged }, (flow) => isConcerned(flow, concerned), { mark: 0, mask: ctMarks.mask })
    this.#deps.onRejudged(count)
    // What came while the kernel was asked is not lost: nothing came, for asking does not wait.
    this.#first = nobody
    this.#second = first
    if (!isNobody(first)) this.#reconciler.trigger()
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

import { type Cluster, formatPlace, type Place } from './cluster.ts'
import { CheckFailure } from './check.ts'

/** One question that the probe program (`ask`) puts to the network from where it runs. */
export type Ask =
  /** GET, `count` times, each on a connection of its own. */
  | { readonly kind: 'http', readonly host: string, readonly port: number, readonly path: string, readonly count?: number, readonly timeoutMs?: number }
  /** One datagram and its reply, `count` times, each from a socket of its own; with `ttl`, the datagram dies at the router that would be one too many. */
  | { readonly kind: 'udp', readonly host: string, readonly port: number, readonly message: string, readonly ttl?: number, readonly count?: number, readonly timeoutMs?: number }
  /** POST of that many bytes, spread over a time or at once; good when both sides computed the same SHA-256. */
  | { readonly kind: 'upload', readonly host: string, readonly port: number, readonly bytes: number, readonly overMs?: number, readonly timeoutMs?: number }
  /** A query through the place's own resolver; answers are records as text (`SRV` as `priority weight port target`). */
  | { readonly kind: 'dns', readonly name: string, readonly type: 'A' | 'AAAA' | 'SRV' | 'PTR', readonly timeoutMs?: number }
  /** The routes of the main table, as the kernel prints them in `/proc/net`: two answers, one a family. */
  | { readonly kind: 'routes', readonly timeoutMs?: number }
  /** The address packets to a host would leave with; nothing is sent. */
  | { readonly kind: 'source', readonly host: string, readonly timeoutMs?: number }
  /** Steady requests at a rate, each on a connection of its own; the answer is a {@link LoadReport} as JSON. */
  | { readonly kind: 'load', readonly protocol: 'http' | 'tcp' | 'udp', readonly host: string, readonly port: number, readonly rate: number, readonly durationMs: number }

export interface LoadReport {
  readonly sent: number
  readonly answered: number
  /** In words of {@link Answer.error}. */
  readonly failed: Readonly<Record<string, number>>
  readonly firstFailure?: string
  readonly longestMs: number
}

export interface Answer {
  readonly ok: boolean
  /** One per request that was answered. */
  readonly answers: readonly string[]
  /** Why the first unanswered request failed, in agnhost's words. */
  readonly error?: 'REFUSED' | 'TIMEOUT' | 'DNS' | 'OTHER'
  readonly detail?: string
  readonly ms: number
}

/**
 * Asks from places of the cluster. Questions that are put in the same turn of the event loop from the same place travel
 * in one run of the probe program: checks stay one function each and still cost a handful of processes.
 */
export class Asker {
  readonly #cluster: Cluster
  readonly #signal: AbortSignal
  readonly #waiting = new Map<string, { readonly place: Place, readonly questions: { readonly ask: Ask, readonly resolve: (answer: Answer) => void, readonly reject: (error: unknown) => void }[] }>()

  constructor(cluster: Cluster, signal: AbortSignal) {
    this.#cluster = cluster
    this.#signal = signal
  }

  /** Resolves to the answer whether it is good or bad. */
  async try(place: Place, ask: Ask): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const key = JSON.stringify(place)
      let batch = this.#waiting.get(key)
      if (batch === undefined) {
        batch = { place, questions: [] }
        this.#waiting.set(key, batch)
        setImmediate(() => void this.#send(key))
      }
      batch.questions.push({ ask, resolve, reject })
    })
  }

  /**
   * Resolves to the answers of a question that must succeed.
   *
   * @throws {CheckFailure} When it did not.
   */
  async from(place: Place, ask: Ask): Promise<readonly string[]> {
    const answer = await this.try(place, ask)
    if (!answer.ok) throw new CheckFailure(`${formatPlace(place)} asked ${formatAsk(ask)}: ${answer.error ?? 'OTHER'} after ${Math.round(answer.ms)} ms${answer.detail === undefined ? '' : ` (${answer.detail})`}`)
    // A name has several records, which come as one answer.
    return ask.kind === 'dns' ? answer.answers.flatMap((records) => records.split(',')) : answer.answers
  }

  async #send(key: string): Promise<void> {
    const { place, questions } = this.#waiting.get(key)!
    this.#waiting.delete(key)
    try {
      const answers = await this.#run(place, questions.map(({ ask }) => ask))
      for (const [index, { resolve }] of questions.entries()) resolve(answers[index]!)
    } catch (error) {
      for (const { reject } of questions) reject(error)
    }
  }

  async #run(place: Place, asks: readonly Ask[]): Promise<readonly Answer[]> {
    const { code, stdout, stderr } = await this.#cluster.ask(place, JSON.stringify(asks), { timeoutMs: 30_000, signal: this.#signal })
    try {
      const answers = JSON.parse(stdout) as Answer[]
      if (Array.isArray(answers) && answers.length === asks.length) return answers
    } catch {
      // Told below, with what the probe said instead.
    }
    throw new CheckFailure(`the probe in ${formatPlace(place)} ended with ${code}: ${stderr.trim() || stdout.trim() || 'it printed nothing'}`)
  }
}

/** For messages, e.g. `http 10.96.0.20:80/hostname`. */
export function formatAsk(ask: Ask): string {
  if (ask.kind === 'dns') return `${ask.type} ${ask.name}`
  if (ask.kind === 'routes') return ask.kind
  if (ask.kind === 'source') return `source to ${ask.host}`
  return `${ask.kind} ${formatHost(ask.host)}:${ask.port}${ask.kind === 'http' ? ask.path : ''}`
}

/** IPv6 literals in brackets. */
function formatHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

import type { FailureWord } from './failure.ts'
import type { LoadAsk } from './load.ts'

interface Timed {
  /** For each single request. @default 2000 */
  readonly timeoutMs?: number | undefined
}

interface Addressed extends Timed {
  /** Name or address, without brackets. */
  readonly host: string
  readonly port: number
}

interface Repeated {
  /** How often, one after the other. @default 1 */
  readonly count?: number | undefined
}

/** One question put to the network from where the probe runs. */
export type Ask =
  /** GET, each on a connection of its own; answers are the bodies. Any status below 400 is good. */
  | (Addressed & Repeated & { readonly kind: 'http', readonly path?: string | undefined })
  /** Connects and hangs up; answers are the peer addresses. */
  | (Addressed & Repeated & { readonly kind: 'tcp' })
  /** One datagram and its reply, each from a socket of its own. */
  | (Addressed & Repeated & { readonly kind: 'udp', readonly message?: string | undefined, readonly ttl?: number | undefined })
  /** POST of that many bytes to netexec's `/upload`, spread over a time or at once; good when both sides have the same SHA-256. */
  | (Addressed & { readonly kind: 'upload', readonly bytes: number, readonly overMs?: number | undefined })
  /** GET of that many bytes from netexec's `/download`; good when all arrived. */
  | (Addressed & { readonly kind: 'download', readonly bytes: number })
  /** A query through the place's own resolver; answers are records as text (`SRV` as `priority weight port target`). */
  | (Timed & { readonly kind: 'dns', readonly name: string, readonly type?: DnsAskType | undefined })
  /** The routes of the main table, as the kernel prints them in `/proc/net/route` and `/proc/net/ipv6_route`: two answers. */
  | (Timed & { readonly kind: 'routes' })
  /** The address packets to a host would leave with; nothing is sent. */
  | (Timed & { readonly kind: 'source', readonly host: string })
  /** Steady requests at a rate for a time; the one answer is a {@link LoadReport} as JSON. */
  | LoadAsk

/** `lookup` is getaddrinfo (search list, hosts); the others are queries for exactly that name first, then the search list. */
export type DnsAskType = 'lookup' | 'A' | 'AAAA' | 'SRV' | 'PTR' | 'CNAME' | 'TXT'

export interface AskAnswer {
  readonly ok: boolean
  /** One per request that was answered. */
  readonly answers: readonly string[]
  /** Why the first unanswered request failed. */
  readonly error?: FailureWord | undefined
  readonly detail?: string | undefined
  readonly ms: number
  /** Own and peer address of the last connection. */
  readonly local?: string | undefined
  readonly peer?: string | undefined
  readonly bytes?: number | undefined
  readonly sha256?: string | undefined
}

/** What a single request adds to the answer. */
export interface Outcome {
  readonly answer: string
  readonly local?: string | undefined
  readonly peer?: string | undefined
  readonly bytes?: number | undefined
  readonly sha256?: string | undefined
}

import type { ListenAddress } from '@weft/api'
import { DnsError } from '../dns-error.ts'
import { exchangeTcp, exchangeUdp } from './exchange.ts'
import { isTruncated, matches, readUpstreamAnswer, type UpstreamAnswer } from './upstream-answer.ts'
import { type UpstreamQuestion, writeUpstreamQuery } from './upstream-query.ts'

export interface AskOptions {
  readonly mixCase: boolean
  readonly maxTtlSeconds: number
  readonly maxNegativeTtlSeconds: number
  /** Told about each response that did not belong to the query. */
  readonly onForged: () => void
  readonly signal: AbortSignal
}

/** Payload we take over UDP from upstreams: passes every path without fragments. */
const udpBytes = 1232
/** Failures in a row after which others are asked first. */
const failuresUntilDown = 2

/** A resolver outside, and how it fares. */
export class Upstream {
  readonly server: ListenAddress
  #failures = 0
  /** It leads back to us: not asked at all. */
  looping = false

  constructor(server: ListenAddress) {
    this.server = server
  }

  get down(): boolean {
    return this.#failures >= failuresUntilDown
  }

  succeeded(): void {
    this.#failures = 0
  }

  failed(): void {
    this.#failures += 1
  }

  /**
   * Asks one question: UDP, and TCP when the response says it is cut off.
   *
   * @throws {DnsError} `ERR_DNS_UPSTREAM`; the signal's reason when aborted.
   */
  async ask(question: UpstreamQuestion, options: AskOptions): Promise<UpstreamAnswer> {
    const { bytes, questionEnd } = writeUpstreamQuery(question, { mixCase: options.mixCase, udpBytes })
    const accept = (response: Uint8Array): boolean => {
      const fits = matches(response, bytes, questionEnd)
      if (!fits) options.onForged()
      return fits
    }
    let response = await exchangeUdp(this.server, bytes, { accept, signal: options.signal })
    if (isTruncated(response)) response = await exchangeTcp(this.server, bytes, { accept, signal: options.signal })
    try {
      return readUpstreamAnswer(response, questionEnd, options)
    } catch (error) {
      throw new DnsError('ERR_DNS_UPSTREAM', `Cannot read response of upstream "${this.server.address}": it is malformed, want a DNS message`, { cause: error })
    }
  }
}

/** What can go wrong that an operator should read about. */
export type DnsErrorCode =
  /** An object of the cluster has no place in the zone. */
  | 'ERR_DNS_OBJECT'
  /** A configured address is not free or not ours. */
  | 'ERR_DNS_LISTEN'
  /** No upstream answered in time. */
  | 'ERR_DNS_UPSTREAM'
  /** Too many questions wait for upstreams. */
  | 'ERR_DNS_OVERLOAD'
  /** A worker thread ended. */
  | 'ERR_DNS_WORKER'

export class DnsError extends Error {
  override readonly name = 'DnsError'
  readonly code: DnsErrorCode

  constructor(code: DnsErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

export function isDnsError(error: unknown, code?: DnsErrorCode): error is DnsError {
  return error instanceof DnsError && (code === undefined || error.code === code)
}

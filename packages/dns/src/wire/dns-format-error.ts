/** Bytes that are not a DNS message, or a message that means nothing. The only thing the codec ever throws at bytes. */
export class DnsFormatError extends Error {
  override readonly name = 'DnsFormatError'
  readonly code = 'ERR_DNS_FORMAT'
  /** Where in the message reading stopped. */
  readonly offset: number

  constructor(noun: string, offset: number, reason: string) {
    super(`Cannot read ${noun} "at byte ${offset}": ${reason}`)
    this.offset = offset
  }
}

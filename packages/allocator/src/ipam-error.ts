export type IpamErrorCode =
  | 'ERR_IPAM_POOL_EXHAUSTED'
  | 'ERR_IPAM_DUPLICATE_ALLOCATION'
  | 'ERR_IPAM_ADDRESS_UNAVAILABLE'
  | 'ERR_IPAM_RANGE_TOO_SMALL'
  | 'ERR_IPAM_INVALID_RANGE'
  | 'ERR_IPAM_NOT_READY'
  | 'ERR_IPAM_STORE'

/** Why an address could not be given, taken back or written down. */
export class IpamError extends Error {
  readonly code: IpamErrorCode

  constructor(code: IpamErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'IpamError'
    this.code = code
  }

  /** True for what goes away by itself: ranges not known yet, a full disk, a pool that may get room again. */
  get retryable(): boolean {
    return this.code === 'ERR_IPAM_NOT_READY' || this.code === 'ERR_IPAM_STORE' || this.code === 'ERR_IPAM_POOL_EXHAUSTED'
  }
}

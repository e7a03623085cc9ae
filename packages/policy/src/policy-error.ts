export type PolicyErrorCode = 'ERR_POLICY_POD_UNKNOWN' | 'ERR_POLICY_BEHIND' | 'ERR_POLICY_NOT_COMMITTED'

/** A pod cannot be covered. */
export class PolicyError extends Error {
  readonly code: PolicyErrorCode
  /** True: the same call may succeed later, so CNI answers "try again". */
  readonly retryable: boolean = true

  constructor(code: PolicyErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'PolicyError'
    this.code = code
  }
}

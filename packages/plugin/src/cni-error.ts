/**
 * Our error codes with the number the CNI specification gives each (SPEC 1.1 section 5); from 100 on they are the
 * plugin's own.
 */
const cniCodes = {
  ERR_CNI_INCOMPATIBLE_VERSION: 1,
  ERR_CNI_UNSUPPORTED_FIELD: 2,
  ERR_CNI_UNKNOWN_CONTAINER: 3,
  ERR_CNI_INVALID_ENVIRONMENT: 4,
  ERR_CNI_IO: 5,
  ERR_CNI_DECODE: 6,
  ERR_CNI_INVALID_CONFIG: 7,
  ERR_CNI_TRY_AGAIN: 11,
  ERR_CNI_NOT_AVAILABLE: 50,
  ERR_CNI_DEGRADED: 51,
  ERR_CNI_LINK_EXISTS: 100,
  ERR_CNI_NETNS: 101,
  ERR_CNI_WIRING: 102,
  ERR_CNI_CHECK: 103,
  ERR_CNI_ADDRESS: 104,
  ERR_CNI_SYSCTL: 105,
  ERR_CNI_BRIDGE: 106,
  ERR_CNI_INTERNAL: 999,
} as const

export type CniErrorCode = keyof typeof cniCodes

/** A verb that failed, in the words the runtime will show to a person. */
export class CniError extends Error {
  readonly code: CniErrorCode
  /** Number of the specification. */
  readonly cniCode: number
  readonly details: string

  constructor(code: CniErrorCode, message: string, { details = '', cause }: { readonly details?: string, readonly cause?: unknown } = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'CniError'
    this.code = code
    this.cniCode = cniCodes[code]
    this.details = details
  }
}

/** Any error as one a runtime understands; what nobody foresaw becomes 999, as in the reference. */
export function toCniError(error: unknown): CniError {
  if (error instanceof CniError) return error
  return new CniError('ERR_CNI_INTERNAL', error instanceof Error ? error.message : String(error), { cause: error })
}

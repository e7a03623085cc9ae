/** Codes of {@link NftError}; the README lists each with advice. */
export type NftErrorCode =
  | 'ERR_NFT_VALUE_INVALID'
  | 'ERR_NFT_TYPE_MISMATCH'
  | 'ERR_NFT_NAME_INVALID'
  | 'ERR_NFT_INTERVAL_OVERLAP'
  | 'ERR_NFT_BATCH_TOO_LARGE'
  | 'ERR_NFT_COMMIT_FAILED'
  | 'ERR_NFT_READ_FAILED'

/** A ruleset that cannot be expressed, or that the kernel refused. */
export class NftError extends Error {
  override readonly name = 'NftError'
  readonly code: NftErrorCode
  /** The kernel's errno name when the kernel refused, such as `ENOENT`. */
  readonly errno: string | undefined
  /** The refused objects, in nft words. */
  readonly refused: readonly RefusedOperation[]

  constructor(code: NftErrorCode, message: string, options?: { readonly cause?: unknown; readonly errno?: string; readonly refused?: readonly RefusedOperation[] }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.errno = options?.errno
    this.refused = options?.refused ?? []
  }
}

/** One operation of a transaction that the kernel refused. */
export interface RefusedOperation {
  /** Index into `transaction.operations`. */
  readonly index: number
  /** The operation as an nft command. */
  readonly text: string
  /** `ENOENT`, `EEXIST`, `EBUSY`, … */
  readonly errno: string
  /** The kernel's own sentence, when it gave one. */
  readonly kernelMessage: string | undefined
}

/** True if the kernel said that a table, chain, set or element named by the transaction does not exist. */
export function isNftNotFound(error: unknown): boolean {
  return error instanceof NftError && error.errno === 'ENOENT'
}

/** True if the kernel said that an object exists already and differs. */
export function isNftAlreadyExists(error: unknown): boolean {
  return error instanceof NftError && error.errno === 'EEXIST'
}

/** True if the kernel said that an object is still referred to. */
export function isNftBusy(error: unknown): boolean {
  return error instanceof NftError && error.errno === 'EBUSY'
}

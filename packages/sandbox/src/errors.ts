/** What went wrong, for programs; README.md says what to do about each. */
export type SandboxErrorCode =
  | 'ERR_SANDBOX_UNSUPPORTED'
  | 'ERR_SANDBOX_STATE_FOLDER'
  | 'ERR_SANDBOX_RUNNING'
  | 'ERR_SANDBOX_KEPT'
  | 'ERR_SANDBOX_NOT_RUNNING'
  | 'ERR_SANDBOX_START'
  | 'ERR_SANDBOX_STOP'
  | 'ERR_SANDBOX_TOPOLOGY'
  | 'ERR_SANDBOX_CONTROL'
  | 'ERR_SANDBOX_CNI'
  | 'ERR_SANDBOX_POD'

/** A failure of the sandbox whose message is fit for its user. */
export class SandboxError extends Error {
  override readonly name = 'SandboxError'
  readonly code: SandboxErrorCode

  constructor(code: SandboxErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The `code` of a system error, e.g. `ECONNREFUSED`; undefined for anything else. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

export type InstallErrorCode = 'ERR_INSTALL_REFUSED' | 'ERR_INSTALL_TIMEOUT' | 'ERR_INSTALL_UPGRADE' | 'ERR_INSTALL_LEFT'

/** Why an installation, an upgrade or a removal did not come to its end, and what to do. */
export class InstallError extends Error {
  override readonly name = 'InstallError'
  readonly code: InstallErrorCode

  constructor(code: InstallErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

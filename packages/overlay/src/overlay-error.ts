export type OverlayErrorCode = 'ERR_OVERLAY_NO_UPLINK' | 'ERR_OVERLAY_NO_NODE'

/** What keeps the overlay from deciding any path. */
export class OverlayError extends Error {
  readonly code: OverlayErrorCode

  constructor(code: OverlayErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'OverlayError'
    this.code = code
  }
}

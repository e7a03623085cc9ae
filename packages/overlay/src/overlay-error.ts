export type OverlayErrorCode = 'ERR_OVERLAY_NO_UPLINK' | 'ERR_OVERLAY_UPLINK_DOWN' | 'ERR_OVERLAY_NO_NODE' | 'ERR_OVERLAY_INCOMPLETE'

/** What keeps the overlay from deciding or writing paths. */
export class OverlayError extends Error {
  readonly code: OverlayErrorCode

  constructor(code: OverlayErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'OverlayError'
    this.code = code
  }
}

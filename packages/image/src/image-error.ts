export type ImageErrorCode = 'ERR_IMAGE_FETCH' | 'ERR_IMAGE_COMPILER' | 'ERR_IMAGE_CONTENT'

/** Why the image could not be made; the message says what to do. */
export class ImageError extends Error {
  readonly code: ImageErrorCode

  constructor(code: ImageErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'ImageError'
    this.code = code
  }
}

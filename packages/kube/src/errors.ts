/** Every `code` a {@link KubeError} carries; README.md says what an operator does about each. */
export type KubeErrorCode =
  | 'ERR_KUBE_STATUS'
  | 'ERR_KUBE_UNREACHABLE'
  | 'ERR_KUBE_TIMEOUT'
  | 'ERR_KUBE_TOO_LARGE'
  | 'ERR_KUBE_GARBAGE'
  | 'ERR_KUBE_CONFIG'
  | 'ERR_KUBE_OBJECT'
  | 'ERR_KUBE_LISTENER'

/** What a {@link KubeError} knows beyond its message. */
export interface KubeErrorDetails {
  /** HTTP status code; 0 (the default) when there was no answer. */
  readonly status?: number | undefined
  /** `reason` of the Kubernetes Status object, e.g. `NotFound`. */
  readonly reason?: string | undefined
  /** What `Retry-After` or `details.retryAfterSeconds` asked for, in milliseconds. */
  readonly retryAfterMs?: number | undefined
  /** True when the request certainly never reached a server, so repeating even a write is safe. */
  readonly unsent?: boolean | undefined
  readonly cause?: unknown
}

/** Anything that goes wrong between us and the Kubernetes API. Branch with the predicates below. */
export class KubeError extends Error {
  override readonly name = 'KubeError'
  readonly code: KubeErrorCode
  readonly status: number
  readonly reason: string
  readonly retryAfterMs: number | undefined
  readonly unsent: boolean

  constructor(code: KubeErrorCode, message: string, details: KubeErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.status = details.status ?? 0
    this.reason = details.reason ?? ''
    this.retryAfterMs = details.retryAfterMs
    this.unsent = details.unsent ?? false
  }
}

export function isKubeError(error: unknown): error is KubeError {
  return error instanceof KubeError
}

/** 404: the object, or the whole resource kind (a CRD that is not installed), is not there. */
export function isNotFound(error: unknown): boolean {
  return isKubeError(error) && error.status === 404
}

/** 409 because the name is taken. */
export function isAlreadyExists(error: unknown): boolean {
  return isKubeError(error) && error.status === 409 && error.reason === 'AlreadyExists'
}

/** 409 because the object changed since it was read: read again and repeat. */
export function isConflict(error: unknown): boolean {
  return isKubeError(error) && error.status === 409 && error.reason !== 'AlreadyExists'
}

/** 410: the resourceVersion or the continue token is older than the server remembers: list again. */
export function isGone(error: unknown): boolean {
  return isKubeError(error) && (error.status === 410 || error.reason === 'Expired' || error.reason === 'Gone')
}

/** 401 or 403: our credentials do not allow it; repeating quickly is useless. */
export function isForbidden(error: unknown): boolean {
  return isKubeError(error) && (error.status === 401 || error.status === 403)
}

/** 422 or 400: the server understood and refused the object. */
export function isInvalid(error: unknown): boolean {
  return isKubeError(error) && (error.status === 422 || error.status === 400)
}

/** No server answered: refused, unreachable, timed out, or cut in the middle of an answer. */
export function isUnreachable(error: unknown): boolean {
  return isKubeError(error) && (error.code === 'ERR_KUBE_UNREACHABLE' || error.code === 'ERR_KUBE_TIMEOUT')
}

/** The same request may succeed later without any change on our side: outage, overload, 5xx. */
export function isRetryable(error: unknown): boolean {
  if (!isKubeError(error)) return false
  return isUnreachable(error) || error.status === 429 || error.status >= 500
}

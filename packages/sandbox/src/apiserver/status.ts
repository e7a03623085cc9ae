// Read first: https://kubernetes.io/docs/reference/using-api/api-concepts/ and apimachinery's pkg/api/errors.
import type { JsonObject } from './json.ts'
import type { Kind } from './kind.ts'

/** One reason why a field was refused. */
export interface Cause {
  readonly reason: 'FieldValueRequired' | 'FieldValueInvalid' | 'FieldValueNotSupported' | 'FieldValueForbidden' | 'FieldValueDuplicate' | 'FieldValueTypeInvalid' | 'FieldValueTooLong' | 'FieldValueTooMany' | (string & {})
  readonly message: string
  readonly field?: string | undefined
}

/** What a failed request answers: an HTTP code and a Kubernetes Status object. */
export class ApiError extends Error {
  readonly code: number
  readonly reason: string
  readonly details: JsonObject | undefined

  constructor(code: number, reason: string, message: string, details?: JsonObject) {
    super(message)
    this.name = 'ApiError'
    this.code = code
    this.reason = reason
    this.details = details
  }

  /** The body of the answer. */
  toStatus(): JsonObject {
    const details = this.details === undefined ? {} : { details: this.details }
    return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message: this.message, reason: this.reason, ...details, code: this.code }
  }
}

/** `deployments.apps`, or `pods` in the core group: how messages name a resource. */
function qualified(kind: Pick<Kind, 'resource' | 'group'>): string {
  return kind.group === '' ? kind.resource : `${kind.resource}.${kind.group}`
}

function detailsOf(kind: Kind, name: string): JsonObject {
  return { name, ...(kind.group === '' ? {} : { group: kind.group }), kind: kind.resource }
}

/** 404 for an object. */
export function notFound(kind: Kind, name: string): ApiError {
  return new ApiError(404, 'NotFound', `${qualified(kind)} "${name}" not found`, detailsOf(kind, name))
}

/** 404 for a path that names no resource. */
export function unknownPath(): ApiError {
  return new ApiError(404, 'NotFound', 'the server could not find the requested resource', {})
}

/** 409 for a create. */
export function alreadyExists(kind: Kind, name: string): ApiError {
  return new ApiError(409, 'AlreadyExists', `${qualified(kind)} "${name}" already exists`, detailsOf(kind, name))
}

/** 409 for a write that saw an older object. */
export function conflict(
  kind: Kind,
  name: string,
  why = 'the object has been modified; please apply your changes to the latest version and try again',
): ApiError {
  return new ApiError(409, 'Conflict', `Operation cannot be fulfilled on ${qualified(kind)} "${name}": ${why}`, detailsOf(kind, name))
}

/** 422 with a cause per refused field. */
export function invalid(kind: Kind, name: string, causes: readonly Cause[]): ApiError {
  const texts = causes.map(cause => (cause.field === undefined ? cause.message : `${cause.field}: ${cause.message}`))
  const text = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`
  const details = {
    name,
    ...(kind.group === '' ? {} : { group: kind.group }),
    kind: kind.kind,
    causes: causes.map(cause => ({ ...cause })),
  }
  return new ApiError(422, 'Invalid', `${kind.kind}${kind.group === '' ? '' : `.${kind.group}`} "${name}" is invalid: ${text}`, details)
}

/** 400. */
export function badRequest(message: string): ApiError {
  return new ApiError(400, 'BadRequest', message)
}

/** 403. */
export function forbidden(kind: Kind, name: string, why: string, causes: readonly Cause[] = []): ApiError {
  const details = detailsOf(kind, name)
  if (causes.length > 0) details['causes'] = causes.map(cause => ({ ...cause }))
  return new ApiError(403, 'Forbidden', `${qualified(kind)} "${name}" is forbidden: ${why}`, details)
}

/** 405. */
export function methodNotAllowed(): ApiError {
  return new ApiError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {})
}

/** 410: the watch or the continue token is older than what is kept. */
export function expired(message: string): ApiError {
  return new ApiError(410, 'Expired', message)
}

/** 415 naming what would be accepted. */
export function unsupportedMediaType(accepted: readonly string[]): ApiError {
  const message = `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`
  return new ApiError(415, 'UnsupportedMediaType', message)
}

/** 504: the client has seen a revision that this server has not reached. */
export function revisionTooLarge(asked: number, current: number): ApiError {
  return new ApiError(504, 'Timeout', `Too large resource version: ${asked}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  })
}

/** The body of a successful deletion of something that is gone at once. */
export function success(kind: Kind, name: string, uid: string): JsonObject {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', details: { ...detailsOf(kind, name), uid } }
}

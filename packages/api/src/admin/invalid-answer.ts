/** A program answered something else than its contract says: it is of another version, or something else answers there. */
export class InvalidAnswerError extends Error {
  readonly code = 'ERR_API_INVALID_ANSWER'
  /** The call, e.g. `/status`. */
  readonly path: string
  /** Path inside the answer, e.g. `features.proxy.writes`; empty for all of it. */
  readonly field: string

  constructor({ path, field, problem }: { readonly path: string, readonly field: string, readonly problem: string }, options?: ErrorOptions) {
    super(`Cannot use answer to "${path}": ${field === '' ? '' : `${field}: `}${problem}`, options)
    this.name = 'InvalidAnswerError'
    this.path = path
    this.field = field
  }
}

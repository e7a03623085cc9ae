/** An object from the Kubernetes API that cannot be used. Only this object is refused, the rest goes on (promise P10). */
export class InvalidObjectError extends Error {
  readonly code = 'ERR_API_INVALID_OBJECT'
  /** e.g. `Service default/web`. */
  readonly object: string
  /** Path of the offending field, e.g. `spec.ports[0].port`. */
  readonly field: string

  /**
   * @param object Kind and name, e.g. `Service default/web`.
   * @param field Path inside the object.
   * @param problem What is there and what is wanted.
   */
  constructor(object: string, field: string, problem: string, options?: ErrorOptions) {
    super(`Cannot use ${object}: ${field} ${problem}`, options)
    this.name = 'InvalidObjectError'
    this.object = object
    this.field = field
  }
}

/** A server for operators or probes cannot listen where it should. */
export class AdminError extends Error {
  readonly code = 'ERR_ADMIN_LISTEN'

  constructor(where: string, reason: string, options?: ErrorOptions) {
    super(`Cannot listen on address "${where}": ${reason}`, options)
    this.name = 'AdminError'
  }
}

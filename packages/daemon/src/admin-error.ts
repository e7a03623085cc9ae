/** A server for operators or probes cannot listen where it should. */
export class AdminError extends Error {
  readonly code = 'ERR_ADMIN_LISTEN'

  constructor(where: string, reason: string, options?: ErrorOptions) {
    super(`Cannot listen on address "${where}": ${reason}`, options)
    this.name = 'AdminError'
  }
}

/** A program does not answer a question of an operator, or says why it will not. */
export class AdminRefusedError extends Error {
  readonly code = 'ERR_ADMIN_REFUSED'

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'AdminRefusedError'
  }
}

/** Configuration that cannot be used; the message names every problem at once. */
export class ConfigError extends Error {
  readonly code = 'ERR_CONFIG_INVALID'
  /** One sentence for each problem, beginning with the path of the key. */
  readonly problems: readonly string[]

  constructor(source: string, problems: readonly string[], options?: ErrorOptions) {
    super(`Cannot use configuration "${source}": ${problems.join('; ')}`, options)
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/** Prints why a command failed: the sentence, then its causes; a stack only for what nobody foresaw. */
export function reportFailure(error: unknown): void {
  process.stderr.write(`weft: ${describeFailure(error)}\n`)
}

/** The message with its causes, or the stack of an error without a code (a bug of ours). */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (!('code' in error) && process.env['WEFT_DEBUG'] !== undefined) return error.stack ?? error.message
  const lines = [error.message]
  if (error instanceof AggregateError) lines.push(...error.errors.map((part) => `  ${describeFailure(part)}`))
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) if (lines.at(-1)?.endsWith(cause.message) === false) lines.push(`  because: ${cause.message}`)
  return lines.join('\n')
}

import { parse } from 'yaml'
import { z } from 'zod'

/** Configuration that cannot be used; the message names every problem at once. */
export class ConfigError extends Error {
  readonly code = 'ERR_CONFIG_INVALID'
  readonly problems: readonly string[]

  constructor(source: string, problems: readonly string[], options?: ErrorOptions) {
    super(`Cannot use configuration "${source}": ${problems.join('; ')}`, options)
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/**
 * Checks configuration once, at the edge.
 *
 * @param input YAML or JSON text, or a value that was parsed already. Absent input means all defaults.
 * @param options.source For messages: the file's path.
 * @returns What the schema makes of it, deeply frozen.
 * @throws {ConfigError} Naming every problem with its path; an unknown key is one.
 */
export function loadConfig<T>(schema: z.ZodType<T>, input: unknown, options: { readonly source: string }): T {
  let value: unknown = input
  if (typeof input === 'string') {
    try {
      value = parse(input)
    } catch (error) {
      throw new ConfigError(options.source, [(error as Error).message.split('\n', 1)[0]!], { cause: error })
    }
  }
  const result = schema.safeParse(value ?? {})
  if (!result.success) throw new ConfigError(options.source, result.error.issues.map(formatIssue))
  return deepFreeze(result.data)
}

function formatIssue(issue: z.core.$ZodIssue): string {
  const path = issue.path.map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? String(part) : `.${String(part)}`)).join('')
  return path === '' ? issue.message : `${path}: ${issue.message}`
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const part of Object.values(value)) deepFreeze(part)
  }
  return value
}

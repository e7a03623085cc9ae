import { createRequire } from 'node:module'
import type * as Yaml from 'yaml'
import type { z } from 'zod'
import { ConfigError } from './config-error.ts'
import { silentObjects } from './strict-schema.ts'

/**
 * Checks configuration once, at the edge.
 *
 * @param input YAML or JSON text, or a value that was parsed already. Absent or empty input means all defaults.
 * @param options.source For messages: the file's path.
 * @param options.defaults Keys that the input may leave out because the surroundings say them, e.g. a pod's variables.
 * @returns What the schema makes of it, deeply frozen.
 * @throws {ConfigError} ERR_CONFIG_INVALID, naming every problem with its path; an unknown key is one.
 * @throws {TypeError} If the schema would drop unknown keys in silence: a mistake of the program.
 */
export function loadConfig<T>(schema: z.ZodType<T>, input: unknown, options: { readonly source: string, readonly defaults?: Readonly<Record<string, string | undefined>> | undefined }): T {
  const silent = silentObjects(schema)
  if (silent.length > 0) throw new TypeError(`Cannot use schema of "${options.source}": ${silent.join(', ')} drops unknown keys, wanted strictObject`)
  const value = typeof input === 'string' ? parseText(input, options.source) : input
  const result = schema.safeParse(withDefaults(value ?? {}, options.defaults ?? {}))
  if (!result.success) throw new ConfigError(options.source, result.error.issues.flatMap((issue) => describeIssue(issue)))
  return deepFreeze(result.data)
}

/** What is no object is left for the schema to refuse. */
function withDefaults(value: unknown, defaults: Readonly<Record<string, string | undefined>>): unknown {
  const said = Object.fromEntries(Object.entries(defaults).filter(([, text]) => text !== undefined && text !== ''))
  return typeof value === 'object' && !Array.isArray(value) ? { ...said, ...value } : value
}

function parseText(text: string, source: string): unknown {
  // JSON is YAML, and it is what programs write for each other: YAML's parser, which takes as long to load as the rest of a program's start, can wait.
  const json = parseJson(text)
  if (json !== undefined) return json
  const { parseDocument } = createRequire(import.meta.url)('yaml') as typeof Yaml
  const document = parseDocument(text)
  // yaml draws the place below the sentence; the sentence names line and column.
  if (document.errors.length > 0) throw new ConfigError(source, document.errors.map(({ message }) => message.split('\n', 1)[0]!.replace(/:$/, '')), { cause: document.errors[0] })
  try {
    return document.toJS()
  } catch (error) {
    // Aliases that multiply (a "billion laughs") are refused here.
    throw new ConfigError(source, [(error as Error).message], { cause: error })
  }
}

function parseJson(text: string): unknown {
  try {
    return text.trimStart().startsWith('{') ? JSON.parse(text) : undefined
  } catch {
    return undefined
  }
}

function describeIssue(issue: z.core.$ZodIssue, base: readonly PropertyKey[] = []): string[] {
  const path = [...base, ...issue.path]
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => `${formatPath([...path, key])}: unknown key`)
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const choices = issue.errors.map((issues) => issues.flatMap((inner) => describeIssue(inner, path)).join(', '))
    return [choices.join(', or ')]
  }
  const where = formatPath(path)
  return [where === '' ? issue.message : `${where}: ${issue.message}`]
}

function formatPath(path: readonly PropertyKey[]): string {
  return path.map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? String(part) : `.${String(part)}`)).join('')
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value) && !ArrayBuffer.isView(value)) {
    Object.freeze(value)
    for (const part of Object.values(value)) deepFreeze(part)
  }
  return value
}

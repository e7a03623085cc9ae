import { join } from 'node:path'
import { z } from 'zod'
import { cell, filesOf, generatedBy, root } from './workspace.ts'

/** A key of a configuration. */
export interface ConfigKey {
  /** e.g. `kube.servers` or `pools[].name`. */
  readonly path: string
  readonly type: string
  /** As it would be written; undefined when there is none. */
  readonly default: string | undefined
  readonly optional: boolean
  readonly description: string
  /** Name of the schema that holds the keys below this one. */
  readonly part: string | undefined
}

export interface ConfigSchema {
  /** e.g. `agentConfigSchema`. */
  readonly name: string
  /** Folder in `packages/`. */
  readonly package: string
  readonly keys: readonly ConfigKey[]
}

type Shape = Readonly<Record<string, z.core.$ZodType>>

/** Every `…ConfigSchema` that a `config.ts` or `program-config.ts` of a package exports. */
export async function configSchemas(): Promise<readonly ConfigSchema[]> {
  const found = new Map<z.core.$ZodType, { readonly name: string, readonly package: string }>()
  for (const file of filesOf('packages/*/src/config.ts', 'packages/*/src/program-config.ts')) {
    const module = await import(join(root, file)) as Readonly<Record<string, unknown>>
    for (const [name, value] of Object.entries(module)) {
      if (name.endsWith('ConfigSchema') && value instanceof z.ZodType) found.set(value, { name, package: file.split('/')[1]! })
    }
  }
  return [...found].map(([schema, { name, package: owner }]) => ({ name, package: owner, keys: keysOf(schema, '') }))

  function keysOf(schema: z.core.$ZodType, path: string): ConfigKey[] {
    return Object.entries(shapeOf(schema) ?? {}).flatMap(([name, value]) => describe(value, path === '' ? name : `${path}.${name}`))
  }

  function describe(value: z.core.$ZodType, path: string): ConfigKey[] {
    const inner = unwrap(value)
    const part = found.get(inner)?.name
    const key: ConfigKey = {
      path, part,
      type: typeOf(value),
      default: defaultOf(value),
      optional: isOptional(value),
      description: sentence(z.globalRegistry.get(value)?.description ?? ''),
    }
    if (part !== undefined) return [key]
    const element = (inner as z.core.$ZodTypes)._zod.def.type === 'array' ? unwrap((inner as z.core.$ZodArray)._zod.def.element) : undefined
    const below = element === undefined ? keysOf(inner, path) : keysOf(element, `${path}[]`)
    return [key, ...below]
  }
}

function shapeOf(schema: z.core.$ZodType): Shape | undefined {
  const { def } = (schema as z.core.$ZodTypes)._zod
  return def.type === 'object' ? def.shape : undefined
}

/** The schema below defaults and `optional()`. */
function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  const { def } = (schema as z.core.$ZodTypes)._zod
  return def.type === 'default' || def.type === 'prefault' || def.type === 'optional' ? unwrap(def.innerType) : schema
}

function isOptional(schema: z.core.$ZodType): boolean {
  return (schema as z.core.$ZodTypes)._zod.def.type === 'optional'
}

function defaultOf(schema: z.core.$ZodType): string | undefined {
  const { def } = (schema as z.core.$ZodTypes)._zod
  if (def.type !== 'default' && def.type !== 'prefault') return undefined
  const value: unknown = def.defaultValue
  return typeof value === 'string' ? value || '""' : JSON.stringify(value)
}

interface JsonSchema {
  readonly type?: string
  readonly format?: string
  readonly enum?: readonly string[]
  readonly const?: string | number | boolean
  readonly anyOf?: readonly JsonSchema[]
  readonly items?: JsonSchema
  readonly minimum?: number
  readonly maximum?: number
  readonly additionalProperties?: JsonSchema | boolean
}

/** What may be written, e.g. `integer 1 to 65535` or `list of URL`. */
function typeOf(schema: z.core.$ZodType): string {
  return printType(z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema, defaultOf(schema))
}

function printType(schema: JsonSchema, example?: string): string {
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${value}\``).join(', ')
  if (schema.const !== undefined) return `\`${String(schema.const)}\``
  if (schema.anyOf !== undefined) return schema.anyOf.map((each) => printType(each)).join(' or ')
  switch (schema.type) {
    case 'array': return `list of ${printType(schema.items ?? {})}`
    case 'object': return typeof schema.additionalProperties === 'object' ? `map to ${printType(schema.additionalProperties)}` : 'object'
    case 'integer': case 'number': return `${schema.type}${range(schema)}`
    case 'string': return schema.format === 'uri' ? 'URL' : example !== undefined && /^\d+(ms|s|m|h)$/.test(example) ? 'duration' : 'text'
    default: return schema.type ?? 'any'
  }
}

function range({ minimum, maximum }: JsonSchema): string {
  const low = minimum === undefined || minimum === Number.MIN_SAFE_INTEGER ? undefined : minimum
  const high = maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? undefined : maximum
  if (low !== undefined && high !== undefined) return ` ${low} to ${high}`
  return low === undefined ? high === undefined ? '' : ` to ${high}` : ` from ${low}`
}

/** Begins with a capital letter and ends with a period. */
function sentence(text: string): string {
  if (text === '') return ''
  return `${text[0]!.toUpperCase()}${text.slice(1)}${/[.)]$/.test(text) ? '' : '.'}`
}

/** `docs/reference/config.md`. */
export async function configPage(): Promise<string> {
  const schemas = await configSchemas()
  const sections = schemas.map(({ name, package: owner, keys }) => [
    `## ${name}`,
    '',
    `Package [${owner}](../../packages/${owner}/README.md).`,
    '',
    '| key | type | default | meaning |',
    '|---|---|---|---|',
    ...keys.map((key) => `| \`${key.path}\` | ${cell(key.part === undefined ? key.type : `[${key.part}](#${key.part.toLowerCase()})`)} | ${defaultCell(key)} | ${cell(key.description)} |`),
  ].join('\n'))
  return `${generatedBy('generate-reference.ts', 'the zod schemas of the packages')}
# Configuration

Every program reads one file, YAML or JSON, named by \`--config\`. An empty file is all defaults where no key is marked
**required**; an unknown key is an error, and all problems of a file are told at once (\`ERR_CONFIG_INVALID\`).
Durations are text such as \`500ms\`, \`30s\`, \`1m30s\` or \`2h\`. Nothing is read again while a program runs: restart it,
the kernel goes on forwarding meanwhile.

| program | file | schema |
|---|---|---|
${programRows(schemas)}

${sections.join('\n\n')}
`
}

function defaultCell({ default: value, optional, part, type }: ConfigKey): string {
  if (part !== undefined) return 'see there'
  if (type === 'object' && value !== undefined) return 'below'
  if (value !== undefined) return `\`${cell(value)}\``
  return optional ? '–' : '**required**'
}

function programRows(schemas: readonly ConfigSchema[]): string {
  return filesOf('packages/*/src/main.ts').flatMap((file) => {
    const owner = file.split('/')[1]!
    const own = schemas.filter((schema) => schema.package === owner)
    const schema = own.find(({ name }) => name.includes('Program')) ?? own[0]
    return schema === undefined ? [] : [`| \`weft-${owner}\` | \`/etc/weft/${owner}.yaml\` | [${schema.name}](#${schema.name.toLowerCase()}) |`]
  }).join('\n')
}

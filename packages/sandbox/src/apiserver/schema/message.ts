import type { Kind } from '../kind.ts'
import { kubernetesMessages } from './kubernetes.gen.ts'

/** Scalar types of fields; everything else is the name of a message. */
export type Scalar = 's' | 'i' | 'd' | 'b' | 'y' | 'quantity' | 'time' | 'microtime' | 'intorstring' | 'raw' | 'any'

/** One field of a Kubernetes message. */
export interface Field {
  readonly name: string
  /** Number on the protobuf wire. */
  readonly number: number
  readonly shape: 'one' | 'list' | 'map'
  /** A {@link Scalar} or the name of a message. */
  readonly type: string
  /** An empty value is not written to JSON. */
  readonly dropsEmpty: boolean
  /** The fields of its message stand directly in the parent. */
  readonly inline: boolean
  /** Key by which a strategic patch merges the list; '' merges values as a set. */
  readonly mergeKey?: string | undefined
  /** Keys by which server-side apply tells the items of a list apart. */
  readonly listKeys?: readonly string[] | undefined
  readonly isSet: boolean
  readonly isAtomic: boolean
}

/** The fields of a message by JSON name. */
export type Message = ReadonlyMap<string, Field>

const parsed = new Map<string, Message>()
const numbered = new Map<string, ReadonlyMap<number, Field>>()
const SCALARS: ReadonlySet<string> = new Set(['s', 'i', 'd', 'b', 'y', 'quantity', 'time', 'microtime', 'intorstring', 'raw', 'any'])

export function isScalar(type: string): type is Scalar {
  return SCALARS.has(type)
}

/** A message with inlined ones unfolded; undefined for scalars and unknown names. */
export function messageNamed(name: string): Message | undefined {
  const known = parsed.get(name)
  if (known !== undefined) return known
  const text = kubernetesMessages[name]
  if (text === undefined) return undefined
  const message = new Map<string, Field>()
  for (const field of parseFields(text)) {
    if (!field.inline) message.set(field.name, field)
    else for (const [inner, innerField] of messageNamed(field.type) ?? []) message.set(inner, innerField)
  }
  parsed.set(name, message)
  return message
}

/** The fields of a message by wire number, inlined ones as they are on the wire. */
export function wireFields(name: string): ReadonlyMap<number, Field> {
  return numbered.getOrInsertComputed(name, () => new Map(parseFields(kubernetesMessages[name] ?? '').map(field => [field.number, field])))
}

/** The name of a built-in kind's message. */
export function messageNameOf(kind: Pick<Kind, 'group' | 'kind'>): string {
  return `${kind.group === '' ? 'core' : kind.group.split('.')[0]}.${kind.kind}`
}

function parseFields(text: string): Field[] {
  return text.split(' ').filter(part => part !== '').map((part): Field => {
    const [name = '', number = '', type = '', flagText = ''] = part.split(':')
    const flags = new Map<string, string>(flagText.split(';').map(flag => [flag.split('=')[0]!, flag.split('=')[1] ?? '']))
    const shape = type.startsWith('[]') ? 'list' : type.startsWith('{}') ? 'map' : 'one'
    return {
      name,
      number: Number(number),
      shape,
      type: shape === 'one' ? type : type.slice(2),
      dropsEmpty: flags.has('z'),
      inline: flags.has('I'),
      mergeKey: flags.has('k') ? (flags.get('k') ?? '') : undefined,
      listKeys: flags.get('m')?.split(','),
      isSet: flags.has('S'),
      isAtomic: flags.has('A'),
    }
  })
}

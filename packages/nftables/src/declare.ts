import type { Expression } from './expression.ts'
import type { Statement } from './statement.ts'
import type { BaseChain, Chain, CounterDeclaration, KeyType, MapDeclaration, MapElement, Rule, SetDeclaration, SetElement, SetFlag, Table, TableFamily } from './table.ts'
import type { DataTypeName } from './data-type.ts'
import { checkName, checkText } from './name.ts'

/** A rule's comment; give it to {@link rule} among the statements. */
export interface Comment {
  readonly kind: 'comment'
  readonly text: string
}

/** `comment "text"`, at most 128 bytes. */
export function comment(text: string): Comment {
  return { kind: 'comment', text }
}

/** Statements in the order the kernel takes them. */
export function rule(...parts: readonly (Statement | Comment)[]): Rule {
  const note = parts.find((part) => part.kind === 'comment')
  const statements = parts.filter((part) => part.kind !== 'comment')
  return note ? { statements, comment: checkText('comment', note.text, 128) } : { statements }
}

/** nft's words for priorities. `dstnat` is right before routing, `srcnat` last before the wire. */
export const namedPriority = { raw: -300, mangle: -150, dstnat: -100, filter: 0, security: 50, srcnat: 100 } as const

/** A chain that rules jump to. */
export function chain(name: string, rules: readonly Rule[] = [], options: { readonly comment?: string } = {}): Chain {
  return { name: checkName('chain', name), rules, ...options }
}

/** A chain the kernel enters: `baseChain('forward', {type: 'filter', hook: 'forward', priority: 0}, rules)`. The policy is accept unless given. */
export function baseChain(name: string, base: Omit<BaseChain, 'policy'> & { readonly policy?: BaseChain['policy'] }, rules: readonly Rule[] = []): Chain {
  return { name: checkName('chain', name), base: { ...base, policy: base.policy ?? 'accept' }, rules }
}

/** Options sets and maps share. */
export interface CollectionOptions {
  /** `['ipv4_addr', 'inet_service']`, or `typeOf(…)`. */
  readonly key: KeyType
  readonly flags?: readonly SetFlag[] | undefined
  readonly size?: number | undefined
  readonly timeoutMs?: number | undefined
  readonly comment?: string | undefined
  readonly counter?: boolean | undefined
}

/** Declares a key by the expressions looked up with it: `typeof ip daddr . numgen random mod 3`. */
export function typeOf(...expressions: readonly Expression[]): { readonly typeof: readonly Expression[] } {
  return { typeof: expressions }
}

/** Declares a set. */
export function set(name: string, options: CollectionOptions & { readonly elements?: readonly SetElement[] | undefined }): SetDeclaration {
  return { kind: 'set', ...shared(name, options), elements: options.elements ?? [] }
}

/** Declares a map; `data: 'verdict'` makes a verdict map, slow to change when large. */
export function map(
  name: string,
  options: CollectionOptions & { readonly data: readonly DataTypeName[] | 'verdict'; readonly elements?: readonly MapElement[] | undefined },
): MapDeclaration {
  return { kind: 'map', ...shared(name, options), data: options.data, elements: options.elements ?? [] }
}

function shared(name: string, options: CollectionOptions): Omit<SetDeclaration, 'kind' | 'elements'> {
  return {
    name: checkName('set', name),
    key: options.key,
    flags: flagsOf(options),
    counter: options.counter ?? false,
    ...sizeOf(options),
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    ...(options.comment === undefined ? {} : { comment: checkText('comment', options.comment, 128) }),
  }
}

// The kernel gives this size to a dynamic set that has none.
function sizeOf({ size, flags }: CollectionOptions): { readonly size?: number } {
  if (size !== undefined) return { size }
  return flags?.includes('dynamic') ? { size: 65_535 } : {}
}

// A set with a timeout has the flag whether it was asked for or not; the order is the one nft prints.
function flagsOf({ flags = [], timeoutMs }: CollectionOptions): readonly SetFlag[] {
  return (['constant', 'dynamic', 'interval', 'timeout'] as const).filter((flag) => flags.includes(flag) || (flag === 'timeout' && timeoutMs !== undefined))
}

/** Declares a counter that rules share by name. */
export function namedCounter(name: string, options: { readonly comment?: string } = {}): CounterDeclaration {
  return { kind: 'counter', name: checkName('counter', name), packets: 0n, bytes: 0n, ...options }
}

/** Declares a whole table. */
export function table(options: {
  readonly family?: TableFamily
  readonly name: string
  readonly comment?: string
  readonly counters?: readonly CounterDeclaration[]
  readonly sets?: readonly SetDeclaration[]
  readonly maps?: readonly MapDeclaration[]
  readonly chains?: readonly Chain[]
}): Table {
  return {
    family: options.family ?? 'inet',
    name: checkName('table', options.name),
    ...(options.comment === undefined ? {} : { comment: checkText('comment', options.comment, 128) }),
    counters: options.counters ?? [],
    sets: options.sets ?? [],
    maps: options.maps ?? [],
    chains: options.chains ?? [],
  }
}

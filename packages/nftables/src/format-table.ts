import { type DataTypeName } from './data-type.ts'
import { sortElements } from './element-order.ts'
import { formatDuration } from './format-duration.ts'
import { formatPriority } from './format-priority.ts'
import { formatStatement } from './format-statement.ts'
import { formatTuple, formatVerdict } from './format-value.ts'
import { quotedComment } from './name.ts'
import { formatKeyType, keyTypes } from './key-type.ts'
import { resolveRule } from './protocol-context.ts'
import type { Verdict } from './statement.ts'
import type { Chain, CounterDeclaration, MapDeclaration, MapElement, Rule, SetDeclaration, SetElement, Table, TableFamily } from './table.ts'
import { type Tuple } from './value.ts'

/** A table as `nft list table` prints it, ending in a newline. */
export function formatTable(table: Table): string {
  const blocks = [
    ...table.counters.map((counter) => formatCounter(counter)),
    ...table.sets.map((set) => formatCollection(set)),
    ...table.maps.map((map) => formatCollection(map)),
    ...table.chains.map((chain) => formatChain(table.family, chain)),
  ]
  const comment = table.comment === undefined ? '' : `\t${quotedComment(table.comment)}\n`
  return `table ${table.family} ${table.name} {\n${comment}${blocks.join('\n')}}\n`
}

/** A rule as nft prints it, with its comment. */
export function formatRule(family: TableFamily, rule: Rule): string {
  const statements = resolveRule(family, rule).map(({ statement }) => formatStatement(statement))
  return [...statements, ...(rule.comment === undefined ? [] : [quotedComment(rule.comment)])].join(' ')
}

/** The head line of a base chain: `type filter hook forward priority filter; policy accept;`. */
export function formatBase(chain: Chain, family: TableFamily = 'inet'): string | undefined {
  const { base } = chain
  if (base === undefined) return undefined
  const device = base.device === undefined ? '' : `device "${base.device}" `
  return `type ${base.type} hook ${base.hook} ${device}priority ${formatPriority(family, base)}; policy ${base.policy};`
}

function formatChain(family: TableFamily, chain: Chain): string {
  const lines: string[] = []
  if (chain.comment !== undefined) lines.push(quotedComment(chain.comment))
  const base = formatBase(chain, family)
  if (base !== undefined) lines.push(base)
  for (const rule of chain.rules) lines.push(formatRule(family, rule))
  return block(`chain ${chain.name}`, lines)
}

function formatCounter(counter: CounterDeclaration): string {
  return block(`counter ${counter.name}`, [
    ...(counter.comment === undefined ? [] : [quotedComment(counter.comment)]),
    `packets ${counter.packets} bytes ${counter.bytes}`,
  ])
}

function block(head: string, lines: readonly string[]): string {
  return `\t${head} {\n${lines.map((line) => `\t\t${line}\n`).join('')}\t}\n`
}

/** Lines of a set or map declaration, without its elements. */
export function collectionLines(collection: SetDeclaration | MapDeclaration): string[] {
  const flags = (['constant', 'dynamic', 'interval', 'timeout'] as const).filter((flag) => collection.flags.includes(flag))
  return [
    formatKeyType(collection),
    ...(collection.size === undefined ? [] : [`size ${collection.size}`]),
    ...(flags.length === 0 ? [] : [`flags ${flags.join(',')}`]),
    ...(collection.timeoutMs === undefined ? [] : [`timeout ${formatDuration(collection.timeoutMs)}`]),
    ...(collection.counter ? ['counter'] : []),
    ...(collection.comment === undefined ? [] : [quotedComment(collection.comment)]),
  ]
}

function formatCollection(collection: SetDeclaration | MapDeclaration): string {
  const lines = collectionLines(collection)
  if (collection.elements.length > 0) lines.push(formatElementBlock(collection))
  return block(`${collection.kind} ${collection.name}`, lines)
}

function formatElementBlock(collection: SetDeclaration | MapDeclaration): string {
  const types = keyTypes(collection.key)
  const perLine = elementsPerLine(types)
  const elements: readonly (SetElement | MapElement)[] = collection.elements
  const sorted = sortElements(types, collection.flags.includes('interval'), { of: elements, key: (element) => element.key })
  let text = 'elements = { '
  for (const [index, element] of sorted.entries()) {
    if (index > 0) text += index % perLine === 0 ? ',\n\t\t\t     ' : ', '
    text += formatElement(collection, element)
  }
  return `${text} }`
}

/** One element: `10.0.0.1 . tcp . 80 timeout 5m comment "x" : 10.0.0.2 . 8080`. */
export function formatElement(collection: SetDeclaration | MapDeclaration, element: SetElement | MapElement): string {
  let text = formatTuple(keyTypes(collection.key), element.key)
  if (collection.counter) text += ' counter packets 0 bytes 0'
  if (element.timeoutMs !== undefined) text += ` timeout ${formatDuration(element.timeoutMs)}`
  if (element.expiresMs !== undefined) text += ` expires ${formatDuration(element.expiresMs)}`
  if (element.comment !== undefined) text += ` ${quotedComment(element.comment)}`
  return collection.kind === 'map' && 'data' in element ? `${text} : ${formatData(collection.data, element.data)}` : text
}

function formatData(types: readonly DataTypeName[] | 'verdict', data: Tuple | Verdict): string {
  if (isVerdict(data)) return formatVerdict(data)
  return formatTuple(types === 'verdict' ? [] : types, data)
}

/** Tells a verdict from plain data. */
export function isVerdict(data: Tuple | Verdict): data is Verdict {
  return typeof data === 'object' && 'kind' in data && data.kind === 'verdict'
}

// nftables src/expression.c, calculate_delim.
function elementsPerLine(types: readonly DataTypeName[]): number {
  if (types.length > 1) return 1
  switch (types[0]) {
    case 'nf_proto': case 'integer': case 'inet_proto': case 'inet_service': case 'tcp_flag': case 'mark': case 'iface_index': case 'classid': case 'uid': case 'gid':
    case 'ct_dir': return 5
    case 'ipv4_addr': case 'ct_state': case 'ct_status': case 'pkt_type': return 2
    default: return 1
  }
}

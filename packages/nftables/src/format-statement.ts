import { type DataTypeName, dataType } from './data-type.ts'
import { sortElements } from './element-order.ts'
import { type Expression, typesOf } from './expression.ts'
import { formatDuration } from './format-duration.ts'
import { formatExpression } from './format-expression.ts'
import { formatTuple, formatValue, formatVerdict } from './format-value.ts'
import { isExpression } from './protocol-context.ts'
import type { DynamicElement, Limit, Log, Masquerade, Match, Membership, Nat, Statement, VerdictMap } from './statement.ts'
import { checkText } from './name.ts'
import { atomOf } from './atom.ts'
import { type Tuple, partsOf } from './value.ts'

/** One statement as nft prints it. */
export function formatStatement(statement: Statement): string {
  switch (statement.kind) {
    case 'match': return formatMatch(statement)
    case 'flags': return `${formatExpression(statement.left)} ${orderFlags(statement.left, statement.names)}`
    case 'membership': return formatMembership(statement)
    case 'vmap': return formatVmap(statement)
    case 'verdict': return formatVerdict(statement)
    case 'nat': return formatNat(statement)
    case 'masquerade': return formatMasquerade(statement)
    case 'redirect': return `redirect to :${statement.port}`
    case 'set': return `${formatExpression(statement.target)} set ${formatExpression(statement.value, typesOf(statement.target))}`
    case 'dynamic': return formatDynamic(statement)
    case 'counter': return `counter packets ${statement.packets} bytes ${statement.bytes}`
    case 'named-counter': return `counter name "${statement.name}"`
    case 'log': return formatLog(statement)
    case 'reject': return statement.with === 'icmpx port-unreachable' ? 'reject' : `reject with ${statement.with}`
    case 'limit': return formatLimit(statement)
    case 'notrack': return 'notrack'
  }
}

function formatMatch({ left, op, right }: Match): string {
  const [type = 'integer'] = typesOf(left)
  const text = formatValue(type, right)
  // nft has a form of its own for `tcp flags & mask == value`.
  if (type === 'tcp_flag' && left.kind === 'bits' && left.xor === 0) {
    const mask = formatValue(type, left.mask)
    if (mask !== text) return `${formatExpression(left.of)} ${op === '==' ? '' : `${op} `}${text} / ${mask}`
  }
  // nft leaves `==` out except after a bit operation.
  const word = op === '==' ? (left.kind === 'bits' ? ' ==' : '') : ` ${op}`
  return `${formatExpression(left)}${word} ${text}`
}

function orderFlags(left: Expression, names: readonly string[]): string {
  const [type = 'ct_state'] = typesOf(left)
  return formatValue(type, flagBits(type, names))
}


function formatMembership({ left, negated, set }: Membership): string {
  const types = typesOf(left)
  const not = negated ? ' !=' : ''
  if (typeof set === 'string') return `${formatExpression(left)}${not} @${set}`
  const elements = sortElements(types, hasRange(types, set), { of: set, key: (element) => element })
  return `${formatExpression(left)}${not} { ${elements.map((element) => formatTuple(types, element)).join(', ')} }`
}

function formatVmap({ key, map }: VerdictMap): string {
  if (typeof map === 'string') return `${formatExpression(key)} vmap @${map}`
  const types = typesOf(key)
  const entries = sortElements(types, hasRange(types, map.map(([element]) => element)), { of: map, key: ([element]) => element })
  return `${formatExpression(key)} vmap { ${entries.map(([element, verdict]) => `${formatTuple(types, element)} : ${formatVerdict(verdict)}`).join(', ')} }`
}

function formatNat(statement: Nat): string {
  const { type, family, address, port, flags } = statement
  let text = `${type} ${family} to `
  if (isExpression(address)) text += formatExpression(address)
  else {
    const shown = formatValue(family === 'ip' ? 'ipv4_addr' : 'ipv6_addr', address)
    text += port !== undefined && family === 'ip6' ? `[${shown}]` : shown
  }
  if (port !== undefined) text += `:${formatPort(port)}`
  return flags.length === 0 ? text : `${text} ${formatNatFlags(flags)}`
}

function formatPort(port: number | { readonly from: number; readonly to: number }): string {
  return typeof port === 'number' ? port.toString() : `${port.from}-${port.to}`
}

function formatNatFlags(flags: readonly string[]): string {
  return ['random', 'fully-random', 'persistent'].filter((flag) => flags.includes(flag)).join(',')
}

function formatMasquerade({ port, flags }: Masquerade): string {
  return ['masquerade', ...(port ? [`to :${port.from}-${port.to}`] : []), ...(flags.length === 0 ? [] : [formatNatFlags(flags)])].join(' ')
}

function formatDynamic({ operation, set, key, timeoutMs, data }: DynamicElement): string {
  const timeout = timeoutMs === undefined ? '' : ` timeout ${formatDuration(timeoutMs)}`
  return `${operation} @${set} { ${formatExpression(key)}${timeout}${data ? ` : ${formatExpression(data)}` : ''} }`
}

function formatLog({ prefix, level, group }: Log): string {
  const words = ['log']
  if (prefix !== undefined) words.push(`prefix "${checkText('log prefix', prefix, 127)}"`)
  if (group !== undefined) words.push(`group ${group}`)
  // The kernel's own default, not printed.
  if (level !== undefined && level !== 'warn') words.push(`level ${level}`)
  return words.join(' ')
}

function formatLimit({ rate, per, burst, unit, over }: Limit): string {
  const count = unit === 'bytes' ? `${rate} bytes` : `${rate}`
  return `limit rate ${over ? 'over ' : ''}${count}/${per}${unit === 'packets' && burst === 5 ? '' : ` burst ${burst} ${unit}`}`
}

/** True if any element spans more than one value, so that an anonymous set needs the interval flag. */
export function hasRange(types: readonly DataTypeName[], elements: readonly Tuple[]): boolean {
  return elements.some((element) => partsOf(element).some((part, index) => {
    if (typeof part === 'number') return false
    const atom = atomOf(dataType(types[index] ?? 'integer'), part)
    return atom.kind === 'text' ? atom.wildcard : atom.from !== atom.to
  }))
}

/** The number of several flag words together. */
export function flagBits(type: DataTypeName, names: readonly string[]): number {
  return names.reduce((bits, name) => {
    const atom = atomOf(dataType(type), name)
    return atom.kind === 'number' ? bits | Number(atom.from) : bits
  }, 0)
}

import { type DataTypeName, dataType } from './data-type.ts'
import { type Expression, typesOf } from './expression.ts'
import { formatTuple, formatValue } from './format-value.ts'

// Keys nft prints without the word `meta`.
const unqualified: ReadonlySet<string> = new Set(['iif', 'oif', 'iifname', 'oifname', 'iiftype', 'oiftype'])

/**
 * An expression as nft prints it.
 *
 * @param expected Types a constant in it takes.
 */
export function formatExpression(expression: Expression, expected: readonly DataTypeName[] = []): string {
  switch (expression.kind) {
    case 'payload': return `${expression.protocol} ${expression.field}`
    case 'meta': return unqualified.has(expression.key) ? expression.key : `meta ${expression.key}`
    case 'ct': return expression.direction ? `ct ${expression.direction} ${expression.key}` : `ct ${expression.key}`
    case 'fib': return `fib ${expression.flags.join(' . ')} ${expression.result}`
    case 'numgen': return `numgen ${expression.mode} mod ${expression.modulus}${expression.offset ? ` offset ${expression.offset}` : ''}`
    case 'jhash':
      return `jhash ${formatExpression(expression.of)} mod ${expression.modulus}${expression.seed ? ` seed 0x${expression.seed.toString(16)}` : ''}${
        expression.offset ? ` offset ${expression.offset}` : ''}`
    case 'concat': return expression.parts.map((part) => formatExpression(part)).join(' . ')
    case 'bits': return formatBits(expression.of, expression.mask, expression.xor)
    case 'lookup': return `${formatExpression(expression.key)} map @${expression.map}`
    case 'anonymous-map': {
      const keys = typesOf(expression.key)
      const entries = expression.entries.map(([key, data]) => `${formatTuple(keys, key)} : ${formatTuple(expression.data, data)}`)
      return `${formatExpression(expression.key)} map { ${entries.join(', ')} }`
    }
    case 'constant': return formatValue(expected[0] ?? 'integer', expression.value)
  }
}

// nftables src/netlink_delinearize.c, netlink_parse_bitwise_bool: `(x & mask) ^ xor` is shown as `x & m ^ x | o`.
function formatBits(of: Expression, mask: number, xor: number): string {
  const [type] = typesOf(of)
  const width = type === undefined ? 4 : dataType(type).bytes
  const all = width === 4 ? 0xffffffff : 2 ** (8 * width) - 1
  const or = (xor & ~mask) >>> 0
  const flip = (xor & mask) >>> 0
  const keep = (mask | or) >>> 0
  const value = (number: number): string => formatValue(type ?? 'mark', number)
  let text = formatExpression(of)
  if ((keep & all) >>> 0 !== all) text += ` & ${value(keep)}`
  if (flip !== 0) text += ` ^ ${value(flip)}`
  if (or !== 0) text += ` | ${value(or)}`
  return text
}

import type { ExplainedKernel, PolicyExplanation } from '@weft/api'
import { formatTable, paint } from '../terminal.ts'

/**
 * What one agent said of the model, and what every agent asked said of its kernel.
 *
 * @param explanations Of the same question, at least one.
 */
export function formatExplanation(explanations: readonly [PolicyExplanation, ...PolicyExplanation[]]): string {
  const [{ from, to, traffic, allowed, sides }] = explanations
  const end = ({ words, ip, node }: typeof from): string => (words.startsWith(ip) ? words : `${words} (${ip}${node === undefined || words === `node ${node}` ? '' : ` on ${node}`})`)
  return [
    `${end(from)} to ${end(to)}, ${traffic}: ${paint(allowed ? 'green' : 'red', allowed ? 'open' : 'closed')}`,
    '',
    'by the policies of the API',
    ...sides.flatMap(({ direction, words, rules }) => [
      `  ${direction.padEnd(7)}  ${words}`,
      ...(rules.length === 0 ? [] : formatTable(['', '', ''], rules.map(({ outcome, rule, words: says }) => [outcome, rule, says])).split('\n').slice(1).map((line) => `             ${line}`)),
    ]),
    ...explanations.flatMap(({ teller, kernel }) => (kernel === undefined ? [] : ['', ...formatKernel(teller, kernel)])),
    ...(explanations.every(({ kernel }) => kernel === undefined) ? ['', `no kernel of this cluster filters either end, or has no table yet (asked: ${explanations.map(({ teller }) => teller).join(', ')})`] : []),
    '',
  ].join('\n')
}

/** Whether what a kernel does is not what the policies say. */
export function differs({ kernel }: PolicyExplanation): boolean {
  return kernel !== undefined && kernel.allowed !== kernel.wanted
}

function formatKernel(node: string, { allowed, wanted, lines, strange }: ExplainedKernel): readonly string[] {
  const word = (open: boolean): string => (open ? 'open' : 'closed')
  const chains = Map.groupBy(lines, ({ chain }) => chain)
  return [
    `by the kernel of ${node}: ${word(allowed)}${allowed === wanted ? ', as the policies say of the pods there' : paint('red', `, which is NOT what the policies say of the pods there: ${word(wanted)}`)}`,
    ...chains.entries().flatMap(([chain, rules]) => [`  chain ${chain}`, ...rules.map(({ rule, ran }) => `    ${ran ? 'x' : '-'} ${rule}`)]),
    ...strange.map((text) => `  not a rule of Weft, and not followed here: ${text}`),
  ]
}

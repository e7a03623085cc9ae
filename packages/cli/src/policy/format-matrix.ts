import type { PolicyMatrix, PolicyReach } from '@weft/api'
import { formatTable, paint } from '../terminal.ts'

const marks: Readonly<Record<PolicyReach, { readonly text: string, readonly style: 'green' | 'red' | 'yellow', readonly words: string }>> = {
  open: { text: '.', style: 'green', words: 'open' },
  egress: { text: 'e', style: 'yellow', words: "closed by the sender's egress" },
  ingress: { text: 'i', style: 'yellow', words: "closed by the receiver's ingress" },
  both: { text: 'x', style: 'red', words: 'closed by both' },
}

/** Rows send, columns receive; a column has the number that its pod has as a row. */
export function formatMatrix({ traffic, family, pods, reach }: PolicyMatrix): string {
  if (pods.length === 0) return `no pods with an IPv${family} address that policies protect\n`
  const rows = pods.map((pod, row) => [String(row + 1), pod, ...reach[row]!.map((cell) => paint(marks[cell].style, marks[cell].text))])
  const open = reach.flat().filter((cell) => cell === 'open').length
  return [
    formatTable(['', `${traffic}, IPv${family}`, ...pods.map((_pod, column) => String(column + 1))], rows),
    '',
    Object.values(marks).map(({ text, words }) => `${text} ${words}`).join(', '),
    `${open} of ${pods.length ** 2} ways are open`,
    '',
  ].join('\n')
}

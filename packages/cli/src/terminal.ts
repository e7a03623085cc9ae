import { stripVTControlCharacters, styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

/** Colours only on a terminal that wants them (NO_COLOR, FORCE_COLOR, TERM=dumb are honoured by Node). */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream, validateStream: true })
}

/** @param good Undefined: nobody looked. */
export const ok = (good: boolean | undefined): string => (good === undefined ? paint('yellow', '-') : good ? paint('green', 'ok') : paint('red', 'FAIL'))

/**
 * Lays rows out in columns two spaces apart; the last column is not padded.
 *
 * @param header Column titles, printed dim.
 */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const width = (text: string): number => stripVTControlCharacters(text).length
  const widths = header.map((title, column) => Math.max(width(title), ...rows.map((row) => width(row[column] ?? ''))))
  const line = (cells: readonly string[]): string =>
    cells.map((cell, column) => (column === cells.length - 1 ? cell : cell + ' '.repeat(widths[column]! - width(cell)))).join('  ')
  return [paint('dim', line(header)), ...rows.map(line)].join('\n')
}

/**
 * One line of progress on standard error, redrawn on a terminal and printed once per change elsewhere; where a program reads
 * standard output (`--json`), only on a terminal.
 */
export class Progress {
  readonly #stream: Pick<NodeJS.WriteStream, 'isTTY' | 'write'>
  readonly #enabled: boolean
  #last = ''

  constructor({ json, stream = process.stderr }: { readonly json: boolean, readonly stream?: Pick<NodeJS.WriteStream, 'isTTY' | 'write'> }) {
    this.#stream = stream
    this.#enabled = !json || stream.isTTY
  }

  say(text: string): void {
    if (!this.#enabled || text === this.#last) return
    this.#last = text
    this.#stream.write(this.#stream.isTTY ? `\r\u001B[K${text}` : `${text}\n`)
  }

  /** Clears the line, so that what follows starts at the margin. */
  done(): void {
    if (this.#enabled && this.#stream.isTTY && this.#last !== '') this.#stream.write('\r\u001B[K')
    this.#last = ''
  }
}

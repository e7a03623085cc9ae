import type { Logger } from '../logger.ts'

export const silentLogger: Logger = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, child: () => silentLogger }

export interface LogLine {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error'
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** A logger that keeps what it is told. */
export function collectingLogger(lines: LogLine[] = [], base: object = {}): Logger & { readonly lines: readonly LogLine[] } {
  const write = (level: LogLine['level']) => (fields: object, message: string): void => {
    lines.push({ level, message, fields: { ...base, ...fields } })
  }
  return { lines, trace: write('trace'), debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error'), child: (fields) => collectingLogger(lines, { ...base, ...fields }) }
}

import { pino } from 'pino'
import type { Logger } from './logger.ts'

/** The logger of programs: JSON lines on standard output. Only `main.ts` files import this. */
export function pinoLogger(options: { readonly name: string, readonly level: string }): Logger {
  return pino({ name: options.name, level: options.level, base: { name: options.name }, timestamp: pino.stdTimeFunctions.isoTime })
}

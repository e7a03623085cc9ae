import { pino } from 'pino'
import type { Logger } from './logger.ts'

/**
 * The logger of programs: JSON lines on standard output. Only `main.ts` files import this. A line is written when the call returns: left to
 * a thread of its own, as the library does unless told, the last lines before an exit change places or are lost.
 */
export function pinoLogger(options: { readonly name: string, readonly level: string }): Logger {
  return pino({ name: options.name, level: options.level, base: { name: options.name }, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ fd: process.stdout.fd, sync: true }))
}

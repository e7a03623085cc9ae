import type { CheckResult } from '@weft/checks'
import { formatTable, ok, paint } from './terminal.ts'

/** One line a promise: whether it holds, and what was seen. */
export function formatChecks(results: readonly CheckResult[]): string {
  return formatTable(['', 'promise', 'evidence'], results.map(({ ok: good, tried, promise, evidence }) => [ok(tried ? good : undefined), promise, paint(good ? 'dim' : 'red', evidence)]))
}

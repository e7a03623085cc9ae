import type { CheckResult } from '@weft/checks'
import { formatTable, ok, paint } from './terminal.ts'

/** One line a promise: whether it holds, and what was seen. */
export function formatChecks(results: readonly CheckResult[]): string {
  return formatTable(['', 'promise', 'evidence'], results.map(({ ok: good, tried, promise, evidence }) => [ok(tried ? good : undefined), promise, paint(good ? 'dim' : 'red', tried ? evidence : `not tried: ${evidence}`)]))
}

/** `17 of 17 promises hold, 1 not tried (there is no machine outside)`: what was not tried counts for nothing. */
export function formatHeld(results: readonly CheckResult[]): string {
  const tried = results.filter((result) => result.tried)
  const reasons = new Set(results.filter((result) => !result.tried).map(({ evidence }) => evidence))
  const rest = tried.length === results.length ? '' : `, ${results.length - tried.length} not tried (${[...reasons].join('; ')})`
  return `${tried.filter((result) => result.ok).length} of ${tried.length} promises hold${rest}`
}

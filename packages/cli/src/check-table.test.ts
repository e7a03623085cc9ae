import type { CheckResult } from '@weft/checks'
import { expect, test } from 'vitest'
import { formatChecks, formatHeld } from './check-table.ts'

const result = (over: Partial<CheckResult>): CheckResult => ({ name: 'a', promise: 'a holds', ok: true, tried: true, evidence: 'seen', ms: 1, ...over })

test('formatHeld() counts what was tried, and tells how many were not and why, each reason once', () => {
  expect(formatHeld([result({}), result({ ok: false })])).toBe('1 of 2 promises hold')
  const untried = result({ tried: false, evidence: 'no machine outside' })
  expect(formatHeld([result({}), untried, untried])).toBe('1 of 1 promises hold, 2 not tried (no machine outside)')
})

test('formatChecks() marks what was not tried', () => {
  expect(formatChecks([result({ tried: false, evidence: 'no machine outside' })]).split('\n')[1]).toMatch(/-.*a holds.*not tried: no machine outside/)
})

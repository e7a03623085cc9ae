import { expect, test } from 'vitest'
import { formatSpan } from './age.ts'

// Values of apimachinery's duration.HumanDuration.
test.each([
  [0, '0s'], [-1500, '<invalid>'], [119_000, '119s'], [120_000, '2m'], [150_000, '2m30s'], [600_000, '10m'], [179 * 60_000, '179m'], [180 * 60_000, '3h'],
  [8 * 3_600_000 - 60_000, '7h59m'], [47 * 3_600_000, '47h'], [48 * 3_600_000, '2d'], [50 * 3_600_000, '2d2h'], [8 * 86_400_000, '8d'], [800 * 86_400_000, '2y70d'],
])('formatSpan(%d) is %s', (ms, text) => {
  expect(formatSpan(ms)).toBe(text)
})

import { describe, expect, test } from 'vitest'
import { formatLosing } from './uninstall.ts'

describe('formatLosing()', () => {
  test('N10 has how many, where, and what to do', () => {
    expect(formatLosing({ books: 1, shop: 36 })).toBe('37 running pods lose their network (books 1, shop 36); under the next one they have to be deleted, and made anew, to get theirs')
    expect(formatLosing({ shop: 1 })).toMatch(/^1 running pod loses its network \(shop 1\);/)
    expect(formatLosing({})).toBe('')
  })
})

import { describe, expect, test } from 'vitest'
import { deployFiles } from '../scripts/deploy-files.ts'
import { read } from '../scripts/workspace.ts'

describe('deploy/', () => {
  test.each([...deployFiles()])('$path is what the code says (pnpm generate)', ({ path, text }) => {
    expect(read(`deploy/${path}`)).toBe(text)
  })
})

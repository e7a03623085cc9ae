import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { crdFiles } from '../scripts/crd-files.ts'

for (const { name, text } of crdFiles()) {
  test(`deploy/crds/${name} is what packages/api says (pnpm generate)`, () => {
    expect(readFileSync(new URL(`../deploy/crds/${name}`, import.meta.url), 'utf8')).toBe(text)
  })
}

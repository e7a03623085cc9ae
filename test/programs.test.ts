import { describe, expect, test } from 'vitest'
import { filesOf, read } from '../scripts/workspace.ts'

describe('scripts/program-bundles.ts', () => {
  test('builds every program and thread that a source starts by its file name', () => {
    const sources = filesOf('packages/*/src/**/*.ts').filter((file) => !file.endsWith('.test.ts'))
    // Imports name `.ts` files: another name of a file beside is one that must be there when built.
    const started = sources.flatMap((file) => [...read(file).matchAll(/'\.\/([\w-]+)\.js'/g)].map(([, name]) => name!))
    const built = [...read('scripts/program-bundles.ts').matchAll(/^ {2}'([\w-]+)': 'packages/gm)].map(([, name]) => name!)
    expect(started.length).toBeGreaterThan(5)
    expect([...new Set(started)].filter((name) => !built.includes(name))).toEqual([])
    expect(built.filter((name) => !started.includes(name))).toEqual([])
  })
})

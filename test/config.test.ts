import { describe, expect, test } from 'vitest'
import { configPage, configSchemas } from '../scripts/config-page.ts'
import { read } from '../scripts/workspace.ts'

/** Only what nobody can know beforehand has no default. */
const required = ['nodeName', 'identity', 'install.plugin', 'pools[].name', 'pools[].cidr']

test('docs/reference/config.md is what the schemas say (pnpm generate)', async () => {
  expect(read('docs/reference/config.md')).toBe(await configPage())
})

describe.each(await configSchemas())('$name', ({ keys }) => {
  test('describes every key in a sentence', () => {
    expect(keys.filter(({ description }) => description.split(' ').length < 2).map(({ path }) => path)).toEqual([])
  })

  test('gives every key a default, or says what happens without it', () => {
    const without = keys.filter((key) => key.default === undefined && !key.optional && key.part === undefined).map(({ path }) => path)
    expect(without.filter((path) => !required.includes(path))).toEqual([])
  })
})

test('a README that shows a default shows the one of the schema', async () => {
  const schemas = await configSchemas()
  const wrong = schemas.flatMap(({ name, package: owner, keys }) => {
    const rows = tableRows(owner)
    return keys.flatMap(({ path, default: value }) => {
      const shown = rows.get(path)
      return shown === undefined || value === undefined || !shown.startsWith('`') || bare(shown) === bare(value) ? [] : [`packages/${owner}/README.md says ${path} is ${shown}, ${name} says ${value}`]
    })
  })
  expect(wrong).toEqual([])
})

/** Without quotes and spaces: YAML and JSON write the same value differently. */
const bare = (text: string): string => text.replaceAll(/[`"\s]/g, '')

/** First and second cell of the rows of a README's Configuration section. */
function tableRows(owner: string): ReadonlyMap<string, string> {
  let text: string
  try {
    text = read(`packages/${owner}/README.md`)
  } catch {
    return new Map()
  }
  const section = /^## Configuration\n(.*?)^## /ms.exec(text)?.[1] ?? ''
  return new Map([...section.matchAll(/^\| `([^`]+)` \| ([^|]+?) \|/gm)].map(([, key, value]) => [key!, value!]))
}

import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfig } from '@weft/daemon'
import { formatTable } from '@weft/nftables'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { stateOf } from '../test/running.ts'

const golden = join(import.meta.dirname, '../test/golden')
const objects = z.strictObject({ items: z.array(z.looseObject({ kind: z.string(), metadata: z.looseObject({}) })) })

describe('PolicyState', () => {
  test.each(readdirSync(golden))('gives the table of golden %s', (name) => {
    const file = join(golden, name, 'cluster.yaml')
    const { items } = loadConfig(objects, readFileSync(file, 'utf8'), { source: file })
    const text = formatTable(stateOf(items).table())
    const want = join(golden, name, 'want.nft')
    if (process.env['GOLDEN'] === 'write' || !existsSync(want)) writeFileSync(want, text)
    expect(text).toBe(readFileSync(want, 'utf8'))
    // Whatever order the API server lists them in (promise 5).
    expect(formatTable(stateOf(items.toReversed()).table())).toBe(text)
  })
})

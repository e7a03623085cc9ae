import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { storesOf } from '../test/cluster.ts'
import { running } from '../test/running.ts'

const folder = join(import.meta.dirname, '../test/golden')

describe('compileProxy()', () => {
  for (const name of readdirSync(folder)) {
    test(`gives test/golden/${name}/want.nft (GOLDEN=write rewrites it)`, async () => {
      const [settings, ...objects] = parseAllDocuments(readFileSync(join(folder, name, 'cluster.yaml'), 'utf8')).map((document) => document.toJS() as { readonly kind: string })
      const { kind: _, ...config } = settings!
      await using run = await running(storesOf(objects), { config })
      const text = run.proxy.dump()
      const file = join(folder, name, 'want.nft')
      if (process.env['GOLDEN'] === 'write' || !existsSync(file)) writeFileSync(file, text)
      expect(text).toBe(readFileSync(file, 'utf8'))
    })
  }

  test('an empty cluster has the whole frame', async () => {
    await using run = await running([{ kind: 'Node', metadata: { name: 'here' }, status: { addresses: [{ type: 'InternalIP', address: '172.30.1.11' }] } }])
    expect(run.proxy.dump()).toContain('chain services')
  })
})

import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Spool, writeSpool } from './spool.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weft-spool-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('Spool', () => {
  it('calls are for root alone, folder and files, and prepare() makes them so', async () => {
    const spool = join(folder, 'spool')
    const modes = (): readonly number[] => [spool, join(spool, '1.del')].map((path) => statSync(path).mode & 0o777)
    writeSpool(spool, '1', Buffer.from('x'))
    expect(modes()).toEqual([0o700, 0o600])
    chmodSync(spool, 0o755)
    chmodSync(join(spool, '1.del'), 0o644)
    await new Spool(spool).prepare()
    expect(modes()).toEqual([0o700, 0o600])
  })
})

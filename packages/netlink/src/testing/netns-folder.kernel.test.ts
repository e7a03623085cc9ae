import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { skippable } from '@weft/daemon/testing'
import { describe, expect, it } from 'vitest'
import { createNetns, deleteNetns } from '../netns.ts'
import { whyNoKernelTests } from './kernel-tests.ts'
import { netnsPrefix, sweepNetns } from './netns-folder.ts'

const reason = whyNoKernelTests()

describe.skipIf(reason !== undefined)(skippable('sweepNetns()', reason), () => {
  it('removes what killed runs left, and nothing of those that run or of others', async () => {
    const parent = mkdtempSync(join(tmpdir(), 'sweep-'))
    const { pid: gone } = spawnSync('true')
    const names = [`${netnsPrefix(gone)}a`, `${netnsPrefix(process.pid)}b`, 'netns-somebody', 'other']
    for (const name of names) {
      mkdirSync(join(parent, name))
      await createNetns(join(parent, name, 'net'))
    }
    await sweepNetns(parent)
    expect(readdirSync(parent).sort()).toEqual(names.slice(1).sort())
    for (const name of names.slice(1)) await deleteNetns(join(parent, name, 'net'))
    rmSync(parent, { recursive: true })
  })

  it('leaves what it may not remove, and goes on', async () => {
    const parent = mkdtempSync(join(tmpdir(), 'sweep-'))
    const { pid: gone } = spawnSync('true')
    const [held, free] = [`${netnsPrefix(gone)}a`, `${netnsPrefix(gone)}b`]
    for (const name of [held, free]) {
      mkdirSync(join(parent, name))
      await createNetns(join(parent, name, 'net'))
    }
    // Below a mount that goes there is another one.
    const pinned = join(parent, held, 'net')
    execFileSync('mount', ['--bind', pinned, pinned])
    await sweepNetns(parent)
    expect(readdirSync(parent)).toEqual([held])
    await sweepNetns(parent)
    expect(readdirSync(parent)).toEqual([])
    rmSync(parent, { recursive: true })
  })
})

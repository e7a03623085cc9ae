import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { skippable } from '@weft/daemon/testing'
import { whyNoKernelTests, whyNoPrograms } from '@weft/netlink/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { installPlugin, programs, whyNoShim } from './testing/installed-plugin.ts'

const [[, program]] = await programs()
const noShim = whyNoKernelTests() ?? await whyNoShim()
const noValgrind = noShim ?? whyNoPrograms('valgrind')
const run = promisify(execFile)
const config = JSON.stringify({ cniVersion: '1.1.0', name: 'weft', type: 'weft-cni' })

describe.skipIf(noShim !== undefined)(skippable('the shim', noShim), () => {
  let folder: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'weft-shim-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  test('is a position-independent program without interpreter, executable stack or set-uid', async () => {
    const elf = await readFile(program.kind === 'binary' ? program.path : '')
    const [type, headers, size, count] = [elf.readUInt16LE(16), Number(elf.readBigUInt64LE(32)), elf.readUInt16LE(54), elf.readUInt16LE(56)]
    const segments = Array.from({ length: count }, (_, index) => ({ type: elf.readUInt32LE(headers + index * size), flags: elf.readUInt32LE(headers + index * size + 4) }))
    const [PT_LOAD, PT_INTERP, PT_GNU_STACK, ET_DYN, W, X] = [1, 3, 0x6474_e551, 3, 2, 1]
    expect(type).toBe(ET_DYN)
    expect(segments.some((segment) => segment.type === PT_INTERP)).toBe(false)
    expect(segments.find((segment) => segment.type === PT_GNU_STACK)!.flags & X).toBe(0)
    expect(segments.filter((segment) => segment.type === PT_LOAD && (segment.flags & W) !== 0 && (segment.flags & X) !== 0)).toEqual([])
    expect(elf.length).toBeLessThan(64 * 1024)
  })

  test.skipIf(noValgrind !== undefined)(skippable('touches no memory that is not its own', noValgrind), async () => {
    // Its own spool: without settings it is the machine's.
    const { path } = await installPlugin(folder, program)
    const ids = { CNI_CONTAINERID: 'c1', CNI_IFNAME: 'eth0' }
    const calls: readonly (readonly [environment: Readonly<Record<string, string>>, stdin: string, code: number])[] = [
      [{}, '', 0],
      [{ CNI_COMMAND: 'VERSION' }, '', 0],
      [{ CNI_COMMAND: 'MO"VE\n' }, '', 1],
      [{ ...ids, CNI_COMMAND: 'ADD', CNI_NETNS: '/nowhere', CNI_ARGS: 'A=1;'.repeat(2000) }, config, 1],
      [{ ...ids, CNI_COMMAND: 'STATUS', CNI_ARGS: 'A=1;'.repeat(20_000) }, config, 1],
      [{ ...ids, CNI_COMMAND: 'GC' }, 'x'.repeat(2 << 20), 1],
      [{ ...ids, CNI_COMMAND: 'DEL', CNI_NETNS: '/etc/passwd' }, config, 0],
    ]
    for (const [environment, input, code] of calls) {
      const { status, stderr } = spawnSync('valgrind', ['-q', '--error-exitcode=99', path], { env: { PATH: process.env['PATH'], ...environment }, input, encoding: 'utf8' })
      expect([environment['CNI_COMMAND'], status, environment['CNI_COMMAND'] === undefined ? '' : stderr]).toEqual([environment['CNI_COMMAND'], code, ''])
    }
  }, 120_000)

  test('20,000 mutations of settings, answers, environment and errors find no fault', async () => {
    const fuzz = join(folder, 'fuzz')
    await run('cc', ['-std=gnu17', '-g', '-O1', '-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-DWEFT_CNI_FUZZ', '-DOWN_LOOP', '-o', fuzz, new URL('../shim/fuzz.c', import.meta.url).pathname])
    for (const seed of ['1', '2']) {
      const { status, stderr } = spawnSync(fuzz, [seed, '10000'], { encoding: 'utf8', maxBuffer: 64 << 20 })
      expect([status, stderr]).toEqual([0, '10000 rounds\n'])
    }
  }, 120_000)
})

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Apt } from './debian.ts'
import type { DebianPackage } from './lock.ts'
import { hostPlatform } from './platform.ts'

const builder = 'dpkg-deb'
const missing = ['apt-get', builder].filter((program) => spawnSync(program, ['--version']).error !== undefined)
const reason = missing.length === 0 ? '' : ` [skipped: Needs ${missing.join(' and ')}, not found on the PATH]`

describe.skipIf(reason !== '')(`Apt${reason}`, () => {
  let folder: string
  beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'weft-apt-')) })
  afterEach(() => rmSync(folder, { recursive: true }))

  /** Adds a package to the archive; its lists name it once {@link list} says so. */
  function pack(version: string): DebianPackage {
    const content = join(folder, 'content')
    mkdirSync(join(content, 'DEBIAN'), { recursive: true })
    mkdirSync(join(content, 'usr'), { recursive: true })
    writeFileSync(join(content, 'DEBIAN/control'), `Package: thing\nVersion: ${version}\nArchitecture: ${hostPlatform.architecture}\nMaintainer: somebody <a@example.org>\nDescription: a thing\n`)
    writeFileSync(join(content, 'usr/version'), version)
    mkdirSync(join(folder, 'archive'), { recursive: true })
    const file = `thing_${version.replace(/^\d+:/, '')}_${hostPlatform.architecture}.deb`
    run(builder, ['--build', '--root-owner-group', content, join(folder, 'archive', file)])
    const bytes = readFileSync(join(folder, 'archive', file))
    return { name: 'thing', version, sha256: createHash('sha256').update(bytes).digest('hex') }
  }

  function list(packages: readonly DebianPackage[], { broken = false } = {}): string {
    writeFileSync(join(folder, 'archive/Packages'), packages.map(({ name, version, sha256 }) => {
      const file = `${name}_${version.replace(/^\d+:/, '')}_${hostPlatform.architecture}.deb`
      return `Package: ${name}\nVersion: ${version}\nArchitecture: ${hostPlatform.architecture}\nFilename: ./${file}\nSize: ${readFileSync(join(folder, 'archive', file)).length}\nSHA256: ${sha256}\nDescription: a thing\n`
    }).join('\n'))
    const sources = join(folder, 'sources.list')
    writeFileSync(sources, `deb [trusted=yes] copy:${folder}/archive ./\n${broken ? `deb copy:${folder}/nowhere ./\n` : ''}`)
    return sources
  }

  async function versionOf(wanted: DebianPackage, sources: string): Promise<string> {
    const apt = await Apt.open(join(folder, 'cache'), hostPlatform, { sources })
    const file = (await apt.files(wanted)).find(({ path }) => path === 'usr/version')
    return file?.kind === 'file' ? Buffer.from(file.content).toString() : 'none'
  }

  test('begins with lists of its own, empty ones', async () => {
    const wanted = pack('1:2.0-1')
    expect(await versionOf(wanted, list([wanted]))).toBe('1:2.0-1')
  })

  test('renews lists that are old', async () => {
    const old = pack('1.0-1')
    await versionOf(old, list([old]))
    const wanted = pack('2.0-1')
    expect(await versionOf(wanted, list([wanted]))).toBe('2.0-1')
  })

  test('takes a version that lists no longer name from where the others are', async () => {
    const wanted = pack('1:1.0-1')
    expect(await versionOf(wanted, list([pack('1:1.0-2')]))).toBe('1:1.0-1')
  })

  test('does without a source that fails', async () => {
    const wanted = pack('1.0-1')
    expect(await versionOf(wanted, list([wanted], { broken: true }))).toBe('1.0-1')
  })

  test('I2 believes no package but that of the lock', async () => {
    const wanted = pack('1.0-1')
    const sources = list([wanted])
    const error = { code: 'ERR_IMAGE_FETCH' }
    await expect(versionOf({ ...wanted, sha256: '0'.repeat(64) }, sources)).rejects.toMatchObject(error)
    await expect(versionOf({ ...wanted, version: '3.0-1' }, sources)).rejects.toMatchObject({ ...error, message: expect.stringContaining('neither lists nor archive of apt have this version') as unknown })
    await expect(versionOf({ ...wanted, version: '3.0-1' }, list([wanted], { broken: true }))).rejects.toMatchObject({ ...error, message: expect.stringContaining('apt cannot renew its lists (') as unknown })
  })
})

function run(program: string, args: readonly string[]): void {
  expect(spawnSync(program, args, { encoding: 'utf8' })).toMatchObject({ status: 0 })
}

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { arrange, layerOf } from './layer.ts'
import { packTar, type TarEntry, unpackTar } from './tar.ts'

const deep = `${'folder/'.repeat(16)}file-with-a-rather-long-name.js`
const entries: readonly TarEntry[] = [
  { kind: 'folder', path: 'etc', mode: 0o755 },
  { kind: 'file', path: 'etc/empty', mode: 0o600, content: new Uint8Array() },
  { kind: 'file', path: 'etc/block', mode: 0o644, content: Buffer.alloc(512, 'x') },
  { kind: 'link', path: 'etc/link', target: '../elsewhere' },
  { kind: 'file', path: deep, mode: 0o755, content: Buffer.from('ü') },
]

function inFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'weft-tar-'))
  try {
    return work(folder)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

describe('packTar()', () => {
  test('is what the tar of this machine reads', () => {
    inFolder((folder) => {
      execFileSync('tar', ['xpf', '-', '-C', folder], { input: packTar(arrange(entries)) })
      expect(readFileSync(join(folder, 'etc/block'), 'utf8')).toBe('x'.repeat(512))
      expect(readFileSync(join(folder, deep), 'utf8')).toBe('ü')
      expect(readlinkSync(join(folder, 'etc/link'))).toBe('../elsewhere')
      expect([statSync(join(folder, 'etc/empty')).size, statSync(join(folder, 'etc/empty')).mode & 0o777, statSync(join(folder, deep)).mtimeMs]).toEqual([0, 0o600, 0])
    })
  })

  test.each([99, 100, 101, 155, 243, 244, 245])('a name of %i bytes without a slash is whole in the tar of this machine and in unpackTar()', (length) => {
    inFolder((folder) => {
      const path = `logs/${'x'.repeat(length)}`
      const archive = packTar([{ kind: 'file', path, mode: 0o644, content: Buffer.from('content') }])
      execFileSync('tar', ['xf', '-', '-C', folder], { input: archive })
      expect(readFileSync(join(folder, path), 'utf8')).toBe('content')
      expect(unpackTar(archive)).toMatchObject([{ path, content: Buffer.from('content') }])
    })
  })

  test('refuses a link whose target no header holds', () => {
    expect(() => packTar([{ kind: 'link', path: 'x', target: 'x'.repeat(101) }])).toThrow('longer than 100 bytes')
  })
})

describe('unpackTar()', () => {
  test('gives back what packTar() was given', () => {
    expect(unpackTar(packTar(entries)).map((entry) => (entry.kind === 'file' ? { ...entry, content: Buffer.from(entry.content) } : entry)))
      .toEqual(entries.map((entry) => (entry.kind === 'file' ? { ...entry, content: Buffer.from(entry.content) } : entry)))
  })

  test.each(['ustar', 'gnu', 'pax'])('reads long names as tar writes them in format %s', (format) => {
    inFolder((folder) => {
      const name = format === 'ustar' ? 'a-file' : 'long-'.repeat(40)
      writeFileSync(join(folder, name), 'content')
      const archive = execFileSync('tar', ['cf', '-', `--format=${format}`, '-C', folder, `./${name}`])
      expect(unpackTar(archive)).toMatchObject([{ kind: 'file', path: name, content: Buffer.from('content') }])
    })
  })
})

test('layerOf() does not depend on the order of its entries, and adds the folders above them', () => {
  expect(layerOf(entries.toReversed())).toEqual(layerOf(entries))
  expect(arrange(entries).map(({ path }) => path).slice(0, 6)).toEqual(['etc', 'etc/block', 'etc/empty', 'etc/link', 'folder', 'folder/folder'])
})

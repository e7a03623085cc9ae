import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { root } from '../scripts/workspace.ts'

/** Licences that let anybody use, change and ship the code. */
const permissive = ['MIT', 'MIT-0', 'ISC', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', '0BSD', 'BlueOak-1.0.0', 'CC0-1.0', 'CC-BY-4.0', 'Python-2.0', 'PSF-2.0', 'Unlicense', 'Zlib', 'WTFPL']

/** Tools that are run and never shipped. */
const toolLicences = ['MPL-2.0']

interface Manifest {
  readonly name?: string
  readonly version?: string
  readonly license?: string | { readonly type?: string }
  readonly licenses?: readonly { readonly type?: string }[]
}

/** Manifests of everything that pnpm has installed. */
function installed(): readonly Manifest[] {
  const store = join(root, 'node_modules/.pnpm')
  return readdirSync(store).flatMap((entry) => {
    const modules = join(store, entry, 'node_modules')
    if (!existsSync(modules)) return []
    return readdirSync(modules).flatMap((name) => (name.startsWith('@') ? readdirSync(join(modules, name)).map((inner) => `${name}/${inner}`) : [name]))
      .filter((name) => realpathSync(join(modules, name)).startsWith(modules) && existsSync(join(modules, name, 'package.json')))
      .map((name) => JSON.parse(readFileSync(join(modules, name, 'package.json'), 'utf8')) as Manifest)
  })
}

function licenceOf({ license, licenses }: Manifest): string {
  if (typeof license === 'string') return license
  return license?.type ?? licenses?.map(({ type }) => type).join(' OR ') ?? 'none'
}

/** `(MIT OR GPL-3.0)` is as permissive as its best part, `MIT AND X` as its worst. */
function allowed(expression: string, licences: readonly string[]): boolean {
  const plain = expression.replaceAll(/[()]/g, '')
  return plain.split(' OR ').some((choice) => choice.split(' AND ').every((part) => licences.includes(part.trim())))
}

test('every dependency has a permissive licence', () => {
  const manifests = installed()
  expect(manifests.length).toBeGreaterThan(50)
  const wrong = manifests.filter((manifest) => !allowed(licenceOf(manifest), [...permissive, ...toolLicences])).map((manifest) => `${manifest.name}@${manifest.version}: ${licenceOf(manifest)}`)
  expect(wrong).toEqual([])
})

test('every package of ours says Apache-2.0', () => {
  const manifests = ['package.json', 'e2e/package.json', ...readdirSync(join(root, 'packages')).map((name) => `packages/${name}/package.json`)]
  const wrong = manifests.filter((file) => (JSON.parse(readFileSync(join(root, file), 'utf8')) as Manifest).license !== 'Apache-2.0')
  expect(wrong).toEqual([])
})

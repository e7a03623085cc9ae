// Builds what is published to npm into .weft/packages, and tries it as a stranger would: linted by publint, packed, installed
// into an empty folder and imported. `--no-try` builds only.
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { buildPackages, type PublishedPackage } from './npm-packages.ts'
import { root } from './workspace.ts'

const { values } = parseArgs({ options: { 'no-try': { type: 'boolean', default: false } } })
const outDir = join(root, '.weft/packages')
const built = await buildPackages(outDir)
if (!values['no-try']) await tryPackages(built)
process.stdout.write(`${built.map(({ name, version }) => `${name}@${version}`).join('\n')}\n`)

async function tryPackages(published: readonly PublishedPackage[]): Promise<void> {
  const faults: string[] = []
  for (const { name, folder } of published) {
    const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Record<string, unknown>
    const { messages } = await publint({ pkgDir: folder, pack: 'npm', level: 'warning', strict: true })
    faults.push(...messages.map((message) => `${name}: ${formatMessage(message, manifest, { color: false }) ?? message.code}`))
  }
  if (faults.length > 0) throw new Error(`Cannot publish: ${faults.join('\n')}`)

  const archives = join(outDir, 'archives')
  await mkdir(archives)
  const files = published.map(({ folder }) => join(archives, execFileSync('npm', ['pack', '--silent', '--pack-destination', archives], { cwd: folder, encoding: 'utf8' }).trim()))
  const empty = await mkdtemp(join(tmpdir(), 'weft-packages-'))
  try {
    const pinned = Object.fromEntries(published.map(({ name }, index) => [name, `file:${files[index]!}`]))
    // Not published yet, packages find each other as archives.
    await writeFile(join(empty, 'package.json'), JSON.stringify({ name: 'empty', private: true, type: 'module', dependencies: pinned, overrides: pinned }))
    execFileSync('npm', ['install', '--silent', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: empty, stdio: 'inherit' })
    const importing = await Promise.all(published.map(async ({ folder }) => {
      const { name, exports = {} } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { readonly name: string, readonly exports?: Record<string, unknown> }
      return Object.keys(exports).filter((path) => path !== './package.json' && path !== './testing').map((path) => `await import('${name}${path.slice(1)}')`)
    }))
    execFileSync(process.execPath, ['--input-type=module', '-e', `${importing.flat().join('\n')}\nprocess.exit(0)`], { cwd: empty, stdio: 'inherit' })
    // The command as its users have it: a cluster from packages alone.
    execFileSync('npx', ['weft', 'up', '--nodes', '2'], { cwd: empty, stdio: 'inherit' })
    execFileSync('npx', ['weft', 'down'], { cwd: empty, stdio: 'inherit' })
  } finally {
    await rm(empty, { recursive: true })
  }
}

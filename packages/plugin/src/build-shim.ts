/**
 * Builds the C shim. A build step, run when an image is made or a sandbox starts, never while pods are wired: the one
 * place here that starts a program (the compiler).
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, mkdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { messageOf } from '@weft/daemon/message-of'
import type { ShimProgram } from './install-plugin.ts'

const run = promisify(execFile)

const shimSource = fileURLToPath(new URL('../shim/weft-cni.c', import.meta.url))

/** Control-flow integrity, where processor and kernel have it. */
const archFlags: Readonly<Record<string, readonly string[]>> = { x64: ['-fcf-protection=full'], arm64: ['-mbranch-protection=standard'] }

const flags: readonly string[] = [
  '-std=c17', '-Os', '-Wall', '-Wextra', '-Werror',
  // No C library, and nothing that stands for one: see the top of the source.
  '-ffreestanding', '-fno-builtin', '-fno-tree-loop-distribute-patterns', '-nostdlib', '-nostartfiles', '-static-pie', '-fPIE',
  '-fstack-protector-strong', '-mstack-protector-guard=global', '-fno-asynchronous-unwind-tables', '-ffunction-sections', '-fdata-sections',
  '-Wl,--gc-sections', '-Wl,-z,relro', '-Wl,-z,now', '-Wl,-z,noexecstack', '-Wl,-z,separate-code', '-s',
]

export interface BuiltShim {
  readonly kind: 'binary'
  readonly path: string
}

/** No compiler: the TypeScript twin does the same, 40 ms slower. */
export interface NoShim {
  readonly kind: 'unavailable'
  readonly reason: string
}

/**
 * Compiles the shim, once per content of its source and flags.
 *
 * @param cacheDir Folder for the program, e.g. `.weft/shim`.
 * @param options.compiler One that makes programs for another machine gets a folder of its own.
 * @param options.arch What it makes programs for, as `process.arch`.
 * @param options.source Where this code does not lie in its package (it was bundled): the C file.
 */
export async function buildShim(cacheDir: string, { compiler = 'cc', source = shimSource, arch = process.arch }: { readonly compiler?: string, readonly source?: string, readonly arch?: string } = {}): Promise<BuiltShim | NoShim> {
  const all = [...flags, ...archFlags[arch] ?? []]
  const hash = createHash('sha256').update(await readFile(source)).update(all.join(' ')).digest('hex').slice(0, 16)
  const path = join(cacheDir, `weft-cni-${arch}-${hash}`)
  if (await exists(path)) return { kind: 'binary', path }
  await mkdir(cacheDir, { recursive: true })
  const temporary = `${path}.${process.pid}.tmp`
  try {
    await run(compiler, [...all, '-o', temporary, source])
  } catch (error) {
    return { kind: 'unavailable', reason: firstLine(error) }
  }
  await rename(temporary, path)
  return { kind: 'binary', path }
}

/** What to install here: the compiled shim, or its twin where no compiler works. In an image it was compiled, and lies beside the bundle. */
export async function shimProgram(cacheDir: string): Promise<ShimProgram> {
  const beside = fileURLToPath(new URL('./weft-cni', import.meta.url))
  if (await exists(beside)) return { kind: 'binary', path: beside }
  const built = await buildShim(cacheDir)
  return built.kind === 'binary' ? built : { kind: 'twin' }
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(() => true, () => false)
}

/** Of what the compiler said, or of why there is none. */
function firstLine(error: unknown): string {
  const said = error instanceof Error && 'stderr' in error && typeof error.stderr === 'string' ? error.stderr : ''
  return (said === '' ? messageOf(error) : said).split('\n', 1)[0]!
}

/** Runs the installed plugin the way a runtime does: inside a node's namespace, with an environment and stdin. */
import { spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { buildShim } from '../build-shim.ts'
import { placePlugin, type ShimProgram } from '../install-plugin.ts'

export interface PluginOutput {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
  readonly ms: number
}

interface PluginCall {
  readonly environment: Readonly<Record<string, string>>
  readonly stdin?: string | undefined
  /** Path of the namespace the runtime is in; the caller's own when absent. */
  readonly netns?: string | undefined
}

export interface InstalledPlugin {
  readonly path: string
  readonly socketPath: string
  readonly spoolPath: string
  run(call: PluginCall): Promise<PluginOutput>
}

const shimFolder = new URL('../../../../.weft/shim', import.meta.url).pathname

/** Why the shim cannot be tested here: what the compiler said. */
export async function whyNoShim(): Promise<string | undefined> {
  const built = await buildShim(shimFolder)
  return built.kind === 'binary' ? undefined : `No C compiler makes the CNI plugin: ${built.reason}`
}

/** Both programs, for `describe.each`; the shim is left out where no compiler works, see {@link whyNoShim}. */
export async function programs(): Promise<readonly [readonly [string, ShimProgram], ...(readonly [string, ShimProgram])[]]> {
  const built = await buildShim(shimFolder)
  const twin = ['twin', { kind: 'twin' }] as const
  return built.kind === 'binary' ? [['shim', built], twin] : [twin]
}

/** Places a plugin, its socket and its spool in one folder. */
export async function installPlugin(folder: string, program: ShimProgram, name = 'weft-cni'): Promise<InstalledPlugin> {
  const paths = { binDir: join(folder, 'bin'), socketPath: join(folder, 'cni.sock'), spoolPath: join(folder, 'spool') }
  await mkdir(folder, { recursive: true })
  await placePlugin({ ...paths, name, program })
  const path = join(paths.binDir, name)
  return { path, socketPath: paths.socketPath, spoolPath: paths.spoolPath, run: (call) => run(path, call) }
}

async function run(path: string, { environment, stdin, netns }: PluginCall): Promise<PluginOutput> {
  return await runProgram(netns === undefined ? [path] : ['nsenter', `--net=${netns}`, path], { PATH: process.env['PATH'], ...environment }, stdin)
}

/** Runs a program to its end. */
export async function runProgram([command, ...args]: readonly string[], env: Readonly<Record<string, string | undefined>>, stdin?: string): Promise<PluginOutput> {
  const began = performance.now()
  const child = spawn(command!, args, { env, stdio: [stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => { stdout += text })
  child.stderr!.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  // A plugin that needs no configuration does not read it: EPIPE is no fault.
  child.stdin?.on('error', () => undefined).end(stdin)
  const exitCode = await new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? -1)))
  return { exitCode, stdout, stderr, ms: performance.now() - began }
}

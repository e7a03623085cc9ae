import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Cluster, deployDemo } from '@weft/checks'
import { type AddressFamilies, type ProgramConfigs, sandboxCluster, type SandboxHandle, startSandbox } from '@weft/sandbox'

export interface RunningSandbox extends AsyncDisposable {
  readonly handle: SandboxHandle
  readonly cluster: Cluster
}

/** Test runs keep their state beside the one of `weft up`, so that both can run at once and share the compiled plugin. */
const parent = fileURLToPath(new URL('../.weft/', import.meta.url))

/** Starts a cluster with the demo, in a folder of its own; it ends with the test process at the latest. */
export async function startDemoSandbox(family: AddressFamilies, options: { readonly nodes?: number, readonly programs?: ProgramConfigs } = {}): Promise<RunningSandbox> {
  const stateDir = await mkdtemp(join(parent, 'e2e-'))
  const handle = await startSandbox({ stateDir, family, nodes: options.nodes ?? 3, programs: options.programs, attached: true })
  const cluster = await sandboxCluster(stateDir)
  await deployDemo(cluster, { signal: AbortSignal.timeout(60_000), timeoutMs: 60_000 })
  return {
    handle,
    cluster,
    async [Symbol.asyncDispose]() {
      await cluster[Symbol.asyncDispose]()
      await handle.stop()
      await rm(stateDir, { recursive: true, force: true })
    },
  }
}

/** Command lines of processes that mention a folder: what a sandbox that ended has left behind. */
export async function processesOf(stateDir: string): Promise<readonly string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
  const lines = await Promise.all(pids.map(async (pid) => (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll('\0', ' ')))
  return lines.filter((line) => line.includes(stateDir))
}

export async function mountsOf(stateDir: string): Promise<readonly string[]> {
  return (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').filter((line) => line.includes(stateDir))
}

/** The one on the PATH, or another, e.g. of another version. */
export const kubectlProgram: string = process.env['KUBECTL'] ?? 'kubectl'

/** kubectl against a sandbox, as a user would run it. */
export async function kubectl(handle: SandboxHandle, args: readonly string[], options: { readonly stdin?: string } = {}): Promise<string> {
  const running = promisify(execFile)(kubectlProgram, ['--kubeconfig', handle.kubeconfigPath, ...args], { timeout: 60_000 })
  running.child.stdin?.end(options.stdin ?? '')
  const { stdout } = await running
  return stdout
}

/** Whether a program that only tests use is on this machine. */
export async function hasProgram(name: string): Promise<boolean> {
  return await promisify(execFile)('sh', ['-c', 'command -v "$0"', name]).then(() => true, () => false)
}

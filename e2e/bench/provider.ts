import { execFile, type ExecFileOptions } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type ClusterDescriptor, parseDescriptor } from '@weft/checks'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')

/** `none`: no network, for ours; `basic`: bridge, host-local, kube-proxy and CoreDNS. */
export type Network = 'none' | 'basic'

/** A cluster made for one measurement. */
export interface BenchCluster extends AsyncDisposable {
  /** File with its descriptor. */
  readonly path: string
  readonly machines: ClusterDescriptor
}

/** Starts a cluster with two workers, made by the provider that WEFT_PROVIDER names. */
export async function startCluster(provider: string, network: Network): Promise<BenchCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'weft-bench-'))
  const down = async (): Promise<void> => {
    await output([join(provider, 'down.sh')])
    await rm(folder, { recursive: true, force: true })
  }
  try {
    const text = await output([join(provider, 'up.sh'), '2'], { env: { ...process.env, CNI: network } })
    const path = join(folder, 'cluster.json')
    await writeFile(path, text)
    return { path, machines: parseDescriptor(text), [Symbol.asyncDispose]: down }
  } catch (error) {
    await down()
    throw error
  }
}

/** What a program prints; its words are not a shell's. */
export async function output([file, ...args]: readonly string[], options: ExecFileOptions = {}): Promise<string> {
  const { stdout } = await run(file!, args, { timeout: 600_000, maxBuffer: 64 * 1024 * 1024, ...options })
  return String(stdout)
}

/** `./weft`, as a user has it: without the options of the program that measures. */
export async function weft<T>(args: readonly string[]): Promise<T> {
  const { NODE_OPTIONS: _, ...env } = process.env
  return JSON.parse((await output([join(root, 'weft'), ...args, '--json'], { env })).trimEnd().split('\n').at(-1)!) as T
}

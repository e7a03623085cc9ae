import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClusterDescriptor } from './descriptor.ts'
import { runCommand } from './run-command.ts'

const timeoutMs = 30_000

/** Describes a cluster of kind on this machine: its nodes are containers, which this machine reaches as one outside of the cluster. */
export async function describeKind(name: string): Promise<ClusterDescriptor> {
  const [nodes, kubeconfig] = await Promise.all([kind(['get', 'nodes', '--name', name]), kind(['get', 'kubeconfig', '--name', name])])
  const path = join(await mkdtemp(join(tmpdir(), 'weft-kind-')), 'kubeconfig')
  await writeFile(path, kubeconfig, { mode: 0o600 })
  return {
    kubeconfig: path,
    enter: [],
    nodes: Object.fromEntries(nodes.trim().split('\n').map((node) => [node, { exec: ['docker', 'exec', '-i', node] }])),
    outside: { exec: [] },
    load: ['kind', 'load', 'image-archive', '--name', name],
  }
}

async function kind(args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runCommand(['kind', ...args], { timeoutMs })
  if (code !== 0 || stdout.trim() === '') throw new Error(`Cannot find kind cluster: \`kind ${args.join(' ')}\` says ${stderr.trim() || 'nothing'}`)
  return stdout
}

import { type ClusterOptions, connectCluster } from '@weft/checks'
import { isHealthy, readHealth } from '@weft/install'
import { enter } from '../enter.ts'
import { untilInterrupted } from '../interrupt.ts'
import { formatTable, ok } from '../terminal.ts'

/** How Weft is doing on each node of a real cluster. Exit code 1 when pods cannot be wired on one. */
export async function clusterStatus(options: ClusterOptions & { readonly json?: boolean | undefined }): Promise<number> {
  const elsewhere = await enter(options)
  if (elsewhere !== undefined) return elsewhere
  await using real = await connectCluster(options)
  const health = await readHealth(real.kube, { signal: untilInterrupted() })
  if (options.json === true) process.stdout.write(`${JSON.stringify({ nodes: health })}\n`)
  else process.stdout.write(`${formatTable(['', 'node', 'agent', 'image', 'restarts', 'why not'], health.map((each) => [ok(isHealthy(each)), each.node, each.pod?.name ?? '-', each.pod?.image ?? '-', String(each.pod?.restarts ?? 0), [each.ready ? '' : 'kubelet not ready', each.network, each.pod?.waiting ?? 'no agent'].filter((text) => text !== '').join('; ')]))}\n`)
  return health.every(isHealthy) ? 0 : 1
}

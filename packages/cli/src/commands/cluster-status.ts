import type { ControllerStatus } from '@weft/api'
import { type ClusterOptions, connectCluster } from '@weft/checks'
import { describeNotices, isHealthy, readHealth } from '@weft/install'
import { type ClusterPrograms, programsOf } from '../cluster-programs.ts'
import { enter } from '../enter.ts'
import { untilInterrupted } from '../interrupt.ts'
import { formatTable, ok, paint } from '../terminal.ts'

/** How Weft is doing on each node of a real cluster, and who leads. Exit code 1 when pods cannot be wired on a node. */
export async function clusterStatus(options: ClusterOptions & { readonly json?: boolean | undefined }): Promise<number> {
  const elsewhere = await enter(options)
  if (elsewhere !== undefined) return elsewhere
  await using real = await connectCluster(options)
  const health = await readHealth(real.kube, { signal: untilInterrupted() })
  const controllers = await controllersOf(programsOf(real.kube))
  if (options.json === true) {
    process.stdout.write(`${JSON.stringify({ nodes: health, controllers })}\n`)
  } else {
    const rows = health.map((each) => [ok(isHealthy(each)), each.node, each.pod?.name ?? '-', each.pod?.image ?? '-', String(each.pod?.restarts ?? 0), [each.ready ? '' : 'kubelet not ready', each.network, each.pod?.waiting ?? 'no agent'].filter((text) => text !== '').join('; ')])
    const notices = describeNotices(health).map((notice) => `\n${paint('yellow', 'warn')} ${notice}`)
    process.stdout.write(`${formatTable(['', 'node', 'agent', 'image', 'restarts', 'why not'], rows)}${notices.join('')}\n\n${formatTable(['', 'controller', '', 'waits for'], controllers.map((each) => [ok(each.ready), each.identity, each.leading ? 'leads' : '', each.waiting.join(', ')]))}\n`)
  }
  return health.every(isHealthy) ? 0 : 1
}

/** One that does not answer tells so instead. */
async function controllersOf(programs: Pick<ClusterPrograms, 'controllers'>): Promise<readonly Pick<ControllerStatus, 'identity' | 'ready' | 'waiting' | 'leading'>[]> {
  return await Promise.all((await programs.controllers()).map(async (controller) => await controller.status({}).catch((error: unknown) => ({ identity: '-', ready: false, leading: false, waiting: [error instanceof Error ? error.message : String(error)] }))))
}

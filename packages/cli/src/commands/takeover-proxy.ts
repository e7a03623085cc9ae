import { parseNodeName } from '@weft/api'
import type { ClusterOptions } from '@weft/checks'
import { openPrograms } from '../cluster-programs.ts'
import { enter } from '../enter.ts'

/** Removes, or only lists, what kube-proxy left on a node. */
export async function takeoverProxy({ node, dryRun, ...options }: ClusterOptions & { readonly node: string, readonly dryRun: boolean }): Promise<number> {
  const elsewhere = await enter(options)
  if (elsewhere !== undefined) return elsewhere
  await using programs = await openPrograms(options)
  const agent = await programs.agent(parseNodeName(node))
  process.stdout.write(dryRun ? await agent.proxyLeftovers({}) : await agent.takeOverProxy({}))
  return 0
}

import { parseNodeName } from '@weft/api'
import type { ClusterOptions } from '@weft/checks'
import { openPrograms } from '../cluster-programs.ts'
import { enter } from '../enter.ts'

export type DumpedFeature = 'proxy' | 'policy' | 'overlay' | 'cni' | 'dns'

/** Prints what a feature wants in the kernel of a node, or the zone its DNS server answers from. */
export async function dump(feature: DumpedFeature, { node, ...options }: ClusterOptions & { readonly node: string }): Promise<number> {
  const elsewhere = await enter(options)
  if (elsewhere !== undefined) return elsewhere
  await using programs = await openPrograms(options)
  process.stdout.write(await textOf(feature))
  return 0

  async function textOf(of: DumpedFeature): Promise<string> {
    if (of === 'dns') return await (await programs.dns(parseNodeName(node))).dumpZone({})
    const agent = await programs.agent(parseNodeName(node))
    switch (of) {
      case 'proxy': return await agent.dumpProxy({})
      case 'policy': return await agent.dumpPolicy({})
      case 'overlay': return await agent.dumpOverlay({})
      case 'cni': return await agent.dumpCni({})
      default: return of satisfies never
    }
  }
}

import { apartRemedy, formatOverlap, type IpPool, type Node, overlapsOf, type RangeUse, usesOfNode } from '@weft/api'
import { type Cidr, formatCidr, parseCidr } from '@weft/ip'
import type { Values } from '@weft/manifests'
import { failure, fine, type Finding, warning } from '../node/finding.ts'

/** What has addresses in a cluster. */
export interface ClusterRanges {
  readonly nodes: readonly Pick<Node, 'name' | 'internalIps' | 'podCidrs'>[]
  /** Texts, as the cluster tells them. */
  readonly services: readonly string[]
  readonly pools: readonly Pick<IpPool, 'name' | 'cidr'>[]
}

/** More overlaps than these say nothing new. */
const most = 3

/**
 * Looks at the ranges of pods, Services and nodes: they must be apart, and of families that the nodes have.
 *
 * @param values Those that will be installed; their pools count where nodes have no podCIDRs.
 */
export function rangeFindings({ nodes, services, pools }: ClusterRanges, values: Pick<Values, 'config'>): readonly Finding[] {
  const assigned = nodes.length > 0 && nodes.every(({ podCidrs }) => podCidrs.length > 0)
  const uses: RangeUse[] = []
  const wrong: string[] = []
  const add = (kind: RangeUse['kind'], text: string, name?: string): void => {
    try {
      uses.push({ kind, name, cidr: parseCidr(text) })
    } catch (error) {
      wrong.push(`${name === undefined ? kind : `${kind} "${name}"`}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  for (const cidr of services) add('services', cidr)
  uses.push(...nodes.flatMap(usesOfNode))
  if (!assigned) {
    for (const { name, cidr } of pools) uses.push({ kind: 'pool', name, cidr })
    for (const { name, cidr } of poolsOf(values)) if (!pools.some((pool) => pool.name === name)) add('pool', cidr, name)
  }
  return [ranges(uses, wrong, assigned), families(nodes, uses)]
}

function ranges(uses: readonly RangeUse[], wrong: readonly string[], assigned: boolean): Finding {
  if (wrong.length > 0) return failure('ranges', wrong.join('; '), 'write it as is wanted there')
  // A block is part of a pool: pods of nodes may be within it.
  const overlaps = overlapsOf(uses).filter(({ outer, inner }) => !(outer.kind === 'pool' && inner.kind === 'pods'))
  if (overlaps.length > 0) return failure('ranges', `${overlaps.slice(0, most).map(formatOverlap).join('; ')}${overlaps.length > most ? `; and ${overlaps.length - most} more` : ''}`, apartRemedy)
  const all = (kind: RangeUse['kind']): string => uses.filter((use) => use.kind === kind).map(({ cidr }) => formatCidr(cidr)).join(', ')
  return fine('ranges', assigned ? 'pods, Services and nodes are apart' : `addresses come out of pools: ${all('pool') || 'none is there yet, make an IPPool'}`)
}

/** Pods cannot have addresses of a family that their node has not, and Services of one that no pod has lead nowhere. */
function families(nodes: ClusterRanges['nodes'], uses: readonly RangeUse[]): Finding {
  const of = (kinds: readonly RangeUse['kind'][]): ReadonlySet<Cidr['family']> => new Set(uses.filter(({ kind }) => kinds.includes(kind)).map(({ cidr }) => cidr.family))
  const pods = of(['pods', 'pool'])
  for (const family of pods) {
    const without = nodes.filter(({ internalIps }) => !internalIps.some((ip) => ip.family === family)).map(({ name }) => name)
    if (without.length > 0) return failure('families', `pods have a range of IPv${family}, and ${without.length === 1 ? 'node' : 'nodes'} ${without.join(', ')} no address of it`, `give every kubelet an address of each family (--node-ip), or make the cluster without IPv${family}`)
  }
  const idle = [...of(['services'])].filter((family) => pods.size > 0 && !pods.has(family))
  if (idle.length > 0) return warning('families', `Services have a range of IPv${idle.join(' and IPv')}, and pods none`, 'Services of that family have no endpoints: give pods a range of it, or Services none')
  return fine('families', [...pods].toSorted((a, b) => a - b).map((family) => `IPv${family}`).join(', ') || 'not known yet')
}

/** Of the controller's configuration, as it may be written there; what is otherwise wrong with it the controller says. */
function poolsOf({ config }: Pick<Values, 'config'>): readonly { readonly name: string, readonly cidr: string }[] {
  const { pools } = (config.controller['pools'] ?? {}) as { readonly pools?: unknown }
  return Array.isArray(pools) ? pools.filter((each): each is { readonly name: string, readonly cidr: string } => typeof each?.name === 'string' && typeof each?.cidr === 'string') : []
}

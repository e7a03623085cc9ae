import { apartRemedy, formatOverlap, type IpBlock, type Node, type NodeName, type Overlap, overlapsOf, type RangeUse, usesOfNode } from '@weft/api'
import type { Cidr } from '@weft/ip'
import type { Store } from '@weft/kube'
import type { ServiceCidr } from '@weft/proxy'

interface OwnRangesOptions {
  readonly nodeName: NodeName
  readonly nodes: Store<Node>
  readonly blocks: Store<IpBlock> | undefined
  readonly serviceCidrs: Store<ServiceCidr>
  /** Those of the configuration. */
  readonly configured: readonly Cidr[]
}

/** The ranges of a node, looked at anew when an object that has a say changed. */
export class OwnRanges {
  readonly #options: OwnRangesOptions
  #trouble: string | undefined
  #isKnown = false

  constructor(options: OwnRangesOptions) {
    this.#options = options
    const forget = (): void => {
      this.#isKnown = false
    }
    options.nodes.subscribe(forget)
    options.blocks?.subscribe(forget)
    options.serviceCidrs.subscribe(forget)
  }

  /** Why no pod may be wired into this node's ranges, with the remedy; undefined when nothing speaks against it. */
  get trouble(): string | undefined {
    const { nodeName, nodes, blocks, serviceCidrs, configured } = this.#options
    if (!serviceCidrs.hasSynced && serviceCidrs.trouble === undefined) return 'the ranges of Services are not known yet'
    if (!this.#isKnown) {
      this.#trouble = rangeTrouble(nodeName, usesOf({ nodes: nodes.values(), blocks: blocks?.values() ?? [], services: [...configured, ...[...serviceCidrs.values()].flatMap(({ cidrs }) => cidrs)] }))
      this.#isKnown = true
    }
    return this.#trouble
  }
}

/** Who has which addresses in the cluster. */
function* usesOf({ nodes, blocks, services }: { readonly nodes: Iterable<Node>, readonly blocks: Iterable<IpBlock>, readonly services: readonly Cidr[] }): Generator<RangeUse> {
  for (const cidr of services) yield { kind: 'services', cidr }
  for (const node of nodes) yield* usesOfNode(node)
  for (const { node, cidr } of blocks) if (node !== undefined) yield { kind: 'pods', name: node, cidr }
}

/** The first overlap that concerns this node: each node tells its own, and a node that is wrong keeps no other from its work (promise P10). */
function rangeTrouble(nodeName: NodeName, uses: Iterable<RangeUse>): string | undefined {
  const overlap = overlapsOf(uses).find((each) => concerns(nodeName, each))
  return overlap === undefined ? undefined : `${formatOverlap(overlap)}; ${apartRemedy}`
}

function concerns(nodeName: NodeName, { outer, inner }: Overlap): boolean {
  const own = [outer, inner].filter(({ name }) => name === nodeName)
  if (own.length === 2) return true
  if (own.length === 0) return false
  const other = outer === own[0] ? inner : outer
  if (other.kind === 'services') return true
  // As the overlay settles it: a node whose address is a pod's is left out, and of two claims on pods the name that sorts first wins.
  return other.kind === 'pods' && (own[0]!.kind === 'node' || other.name! < nodeName)
}

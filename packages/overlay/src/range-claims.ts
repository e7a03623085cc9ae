import type { NodeName } from '@weft/api'
import { type Cidr, cidrContains, compareCidr, formatCidr, parseCidr } from '@weft/ip'
import type { Refusal } from './model.ts'

/** A node wants the addresses of a range: the cluster assigned it (`spec.podCIDRs`), or it took a block of a pool. */
export interface RangeClaim {
  readonly node: NodeName
  readonly range: Cidr
  readonly origin: 'assigned' | 'block'
}

export interface SettledClaims {
  /** By node; those of different nodes do not overlap. */
  readonly ranges: ReadonlyMap<NodeName, readonly Cidr[]>
  readonly refusals: readonly Refusal[]
}

/**
 * Gives every range one owner. All nodes see the same objects and decide alike, in whatever order they came: an assigned
 * range before a block, then the node whose name sorts first.
 */
export function settleClaims(claims: Iterable<RangeClaim>): SettledClaims {
  const ordered = [...claims].sort(byRight)
  const refusals: Refusal[] = []
  const possible = ordered.filter((claim) => {
    const reason = whyImpossible(claim.range)
    if (reason !== undefined) refusals.push(refusalOf(claim, reason))
    return reason === undefined
  })
  const rivals = rivalsOf(possible)
  const ranges = new Map<NodeName, Cidr[]>()
  const kept = new Set<RangeClaim>()
  for (const claim of possible) {
    const owner = rivals.get(claim)?.find((rival) => kept.has(rival))
    if (owner !== undefined) {
      refusals.push(refusalOf(claim, `overlaps ${formatCidr(owner.range)} of node "${owner.node}"`))
      continue
    }
    kept.add(claim)
    const list = ranges.get(claim.node)
    if (list === undefined) ranges.set(claim.node, [claim.range])
    else list.push(claim.range)
  }
  return { ranges, refusals }
}

function byRight(a: RangeClaim, b: RangeClaim): number {
  if (a.origin !== b.origin) return a.origin === 'assigned' ? -1 : 1
  if (a.node !== b.node) return a.node < b.node ? -1 : 1
  return compareCidr(a.range, b.range)
}

function refusalOf({ node, range }: RangeClaim, reason: string): Refusal {
  return { node, what: `range ${formatCidr(range)}`, reason }
}

/** Ranges no pod can have, and those so large that they are a slip: 0.0.0.0/0 would take the default route. */
function whyImpossible(range: Cidr): string | undefined {
  const shortest = range.family === 4 ? 8 : 16
  if (range.prefix < shortest) return `is larger than a /${shortest}`
  const special = specialRanges.find((each) => overlaps(each, range))
  return special === undefined ? undefined : `overlaps ${formatCidr(special)}, which no pod can have`
}

// RFC 6890 and RFC 4291: this network, loopback, link-local, multicast and reserved.
const specialRanges: readonly Cidr[] = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3', '::/16', 'fe80::/10', 'ff00::/8'].map(parseCidr)

function overlaps(a: Cidr, b: Cidr): boolean {
  return a.family === b.family && (cidrContains(a, b) || cidrContains(b, a))
}

/** For each claim those of other nodes that overlap it: ranges either nest or are apart, so one pass in order of address finds them. */
function rivalsOf(claims: readonly RangeClaim[]): ReadonlyMap<RangeClaim, readonly RangeClaim[]> {
  const rivals = new Map<RangeClaim, RangeClaim[]>()
  const note = (claim: RangeClaim, rival: RangeClaim): void => {
    const list = rivals.get(claim)
    if (list === undefined) rivals.set(claim, [rival])
    else list.push(rival)
  }
  const around: RangeClaim[] = []
  for (const claim of claims.toSorted((a, b) => compareCidr(a.range, b.range) || byRight(a, b))) {
    while (around.length > 0 && !overlaps(around.at(-1)!.range, claim.range)) around.pop()
    for (const outer of around) {
      if (outer.node === claim.node) continue
      note(claim, outer)
      note(outer, claim)
    }
    around.push(claim)
  }
  return rivals
}

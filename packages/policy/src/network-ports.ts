import { type Family, ipFromBits } from '@weft/ip'
import { range, type SetElement, type Value } from '@weft/nftables'
import { mergeSpans, type Span } from './span.ts'

/** Ports of all protocols as numbers of one row: the protocol's number above the port's. */
const protocolBits = 16n
const portMask = 0xffffn

/** Networks, and the ports that are meant of them. */
export interface NetworkPorts {
  readonly addresses: readonly Span[]
  /** By {@link portSpan}. */
  readonly ports: readonly Span[]
}

/** The ports of a protocol, by its number, as a span that {@link NetworkPorts} are made of. */
export function portSpan(protocol: number, ports: Span): Span {
  const base = BigInt(protocol) << protocolBits
  return { from: base | ports.from, to: base | ports.to }
}

/**
 * What all of them mean as keys `address . protocol . port` of which none overlaps another, which the kernel would refuse.
 *
 * @returns Undefined when networks lie over each other so much that it would be many times as many keys as there are networks and ports.
 */
export function networkPortElements(family: Family, groups: readonly NetworkPorts[]): readonly SetElement[] | undefined {
  const edges = groups.flatMap(({ addresses, ports }) => addresses.flatMap(({ from, to }) => [{ at: from, ports, change: 1 }, { at: to + 1n, ports, change: -1 }])).sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
  const atMost = 4 * groups.reduce((sum, { addresses, ports }) => sum + addresses.length * ports.length, 0) + 16
  const active = new Map<readonly Span[], number>()
  const boxes: { readonly address: { readonly from: bigint, to: bigint }, readonly ports: readonly Span[], readonly key: string }[] = []
  let work = 0
  for (const [index, { at, ports, change }] of edges.entries()) {
    const count = (active.get(ports) ?? 0) + change
    if (count > 0) active.set(ports, count)
    else active.delete(ports)
    const next = edges[index + 1]?.at
    if (next === undefined || next === at || active.size === 0) continue
    const meant = mergeSpans([...active.keys()].flat())
    work += active.size + meant.length
    if (work > atMost) return undefined
    const key = meant.map(({ from, to }) => `${from}-${to}`).join()
    const last = boxes.at(-1)
    if (last !== undefined && last.key === key && last.address.to === at - 1n) last.address.to = next - 1n
    else boxes.push({ address: { from: at, to: next - 1n }, ports: meant, key })
  }
  const addressOf = ({ from, to }: Span): Value => (from === to ? ipFromBits(family, from) : range(ipFromBits(family, from), ipFromBits(family, to)))
  const portOf = ({ from, to }: Span): Value => (from === to ? Number(from & portMask) : range(Number(from & portMask), Number(to & portMask)))
  return boxes.flatMap(({ address, ports }) => ports.map((span) => ({ key: [addressOf(address), Number(span.from >> protocolBits), portOf(span)] })))
}

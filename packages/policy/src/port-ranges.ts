import { type PolicyPort, type Protocol, protocolNumbers, protocols } from '@weft/api'
import { range, type Value } from '@weft/nftables'
import { portSpan } from './network-ports.ts'
import { mergeSpans, type Span } from './span.ts'

/** Ports of a protocol, by its number; all of them if none is named. */
export interface PortRange {
  readonly protocol: number
  readonly port: Value | undefined
}

/** All ports given by number: sorted and without overlap, which the kernel would refuse. */
export function portRanges(ports: readonly PolicyPort[]): readonly PortRange[] {
  return protocols.flatMap((protocol) => mergeSpans(ports.flatMap((port) => (port.protocol === protocol ? spanOf(port) : [])))
    .map(({ from, to }) => ({ protocol: protocolNumbers[protocol], port: from === 0n && to === 65_535n ? undefined : from === to ? Number(from) : range(Number(from), Number(to)) })))
}

/** The same as numbers of one row, for {@link networkPortElements}. */
export function portSpans(ports: readonly PolicyPort[]): readonly Span[] {
  return protocols.flatMap((protocol) => mergeSpans(ports.flatMap((port) => (port.protocol === protocol ? spanOf(port) : []))).map((span) => portSpan(protocolNumbers[protocol], span)))
}

/** Whether a port of a rule covers one port; `name` is what the port is called where it is served. */
export function coversPort({ protocol, port, endPort }: PolicyPort, wanted: { readonly protocol: Protocol, readonly port: number, readonly name: string }): boolean {
  if (protocol !== wanted.protocol) return false
  if (port === undefined) return true
  if (typeof port === 'string') return port === wanted.name
  return wanted.port >= port && wanted.port <= (endPort ?? port)
}

function spanOf({ port, endPort }: PolicyPort): readonly Span[] {
  if (typeof port === 'string') return []
  return [port === undefined ? { from: 0n, to: 65_535n } : { from: BigInt(port), to: BigInt(endPort ?? port) }]
}

import { type Cidr, type Family, type IpAddress, firstIp, formatCidr, ipFromBits, lastIp } from '@weft/ip'
import { range, type Value } from '@weft/nftables'
import { cutSpan, mergeSpans, type Span } from './span.ts'

/** A network less its exceptions. */
export interface Block {
  readonly cidr: Cidr
  readonly except: readonly Cidr[]
}

/**
 * The addresses of all blocks together as keys of an interval set. An exception takes away from its own block only. There
 * are at most as many keys as networks were given: exceptions are cut out as ranges, where prefixes would be up to 128 each.
 */
export function addressRanges(family: Family, blocks: readonly Block[]): readonly Value[] {
  return addressSpans(family, blocks).map(({ from, to }): Value => (from === to ? ipFromBits(family, from) : range(ipFromBits(family, from), ipFromBits(family, to))))
}

/** The same as numbers. */
export function addressSpans(family: Family, blocks: readonly Block[]): readonly Span[] {
  return mergeSpans(blocks.filter(({ cidr }) => cidr.family === family).flatMap(({ cidr, except }) => cutSpan(spanOf(cidr), except.map(spanOf))))
}

/** Whether an address is one of those blocks. */
export function inBlocks(ip: IpAddress, blocks: readonly Block[]): boolean {
  const holds = (cidr: Cidr): boolean => cidr.family === ip.family && firstIp(cidr).bits <= ip.bits && ip.bits <= lastIp(cidr).bits
  return blocks.some(({ cidr, except }) => holds(cidr) && !except.some(holds))
}

/** Equal for equal networks and exceptions. */
export function formatBlock({ cidr, except }: Block): string {
  return except.length === 0 ? formatCidr(cidr) : `${formatCidr(cidr)}!${except.map(formatCidr).sort().join('!')}`
}

function spanOf(cidr: Cidr): Span {
  return { from: firstIp(cidr).bits, to: lastIp(cidr).bits }
}

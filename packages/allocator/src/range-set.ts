import { type Cidr, cidrContains, compareIp, type Family, firstIp, formatCidr, formatIp, type IpAddress, lastIp, nextIp, parseCidr, parseIp } from '@weft/ip'
import { z } from 'zod'
import { IpamError } from './ipam-error.ts'

/** Addresses of one subnet that are handed out. */
export interface SubnetRange {
  readonly subnet: Cidr
  /** Default: the second of the subnet. */
  readonly first?: IpAddress | undefined
  /** Default: the last of the subnet. */
  readonly last?: IpAddress | undefined
  /** Never handed out. Default: the first address after the subnet's own. */
  readonly gateway?: IpAddress | undefined
}

/** Ranges of one family, of which an attachment gets one address. */
export type RangeSet = readonly SubnetRange[]

/** A range set as `host-local` and capability `ipRanges` write it. */
export type RangeSetText = readonly { readonly subnet: string, readonly rangeStart?: string | undefined, readonly rangeEnd?: string | undefined, readonly gateway?: string | undefined }[]

export const rangeSetsSchema: z.ZodType<readonly RangeSetText[]> = z.array(z.array(z.strictObject({ subnet: z.string(), rangeStart: z.string().optional(), rangeEnd: z.string().optional(), gateway: z.string().optional() })))

/** Of an attachment: at most one address of each family. */
const mostSets = 2

/**
 * Reads range sets in the words of `host-local` (IPAM-9).
 *
 * @throws {IpamError} ERR_IPAM_INVALID_RANGE, ERR_IPAM_RANGE_TOO_SMALL.
 */
export function readRangeSets(texts: readonly RangeSetText[]): readonly RangeSet[] {
  const sets = texts.map((set, index) => {
    if (set.length === 0) throw invalid(`set ${index}`, 'it has no ranges, wanted one at least')
    const ranges = set.map(readRange)
    if (ranges.some(({ subnet }) => subnet.family !== ranges[0]!.subnet.family)) throw invalid(`set ${index}`, 'it mixes address families, wanted one family in a set')
    return ranges
  })
  if (sets.length > mostSets || (sets.length === mostSets && familyOf(sets[0]!) === familyOf(sets[1]!))) throw invalid('sets', 'there are several of one family, wanted at most one for each')
  const ranges = sets.flat()
  for (const [index, range] of ranges.entries()) {
    const other = ranges.slice(index + 1).find((candidate) => overlap(range, candidate))
    if (other !== undefined) throw invalid(formatRange(range), `it overlaps with ${formatRange(other)}`)
  }
  return sets
}

export function familyOf(set: RangeSet): Family {
  return set[0]!.subnet.family
}

/** The gateway of the subnet, whoever configures it. */
export function gatewayOf({ subnet, gateway }: SubnetRange): IpAddress {
  return gateway ?? nextIp(firstIp(subnet))
}

/** True if an address lies in what is handed out of a range. */
export function rangeContains(range: SubnetRange, address: IpAddress): boolean {
  const [first, last] = boundsOf(range)
  return address.family === range.subnet.family && compareIp(first, address) <= 0 && compareIp(address, last) <= 0
}

/** `10.1.2.0-10.1.2.255`, as host-local prints a range. */
export function formatRange(range: SubnetRange): string {
  const { subnet, first, last } = range
  return `${formatIp(first ?? firstIp(subnet))}-${formatIp(last ?? lastIp(subnet))}`
}

/** The same for equal sets, whoever wrote them. */
export function rangeSetKey(set: RangeSet): string {
  return set.map((range) => `${formatCidr(range.subnet)} ${formatRange(range)} ${formatIp(gatewayOf(range))}`).join(',')
}

function readRange({ subnet: text, rangeStart, rangeEnd, gateway }: RangeSetText[number]): SubnetRange {
  const subnet = parse(text, text, parseCidr)
  const [first, last, via] = [rangeStart, rangeEnd, gateway].map((each) => each === undefined || each === '' ? undefined : parse(text, each, parseIp))
  for (const [word, address] of [['rangeStart', first], ['rangeEnd', last]] as const)
    if (address !== undefined && !cidrContains(subnet, address)) throw invalid(text, `${word} ${formatIp(address)} is outside of it`)
  if (first !== undefined && last !== undefined && compareIp(first, last) > 0) throw invalid(text, `rangeStart ${formatIp(first)} comes after rangeEnd ${formatIp(last)}`)
  return { subnet, first, last, gateway: via }
}

function boundsOf({ subnet, first, last }: SubnetRange): readonly [IpAddress, IpAddress] {
  return [first ?? firstIp(subnet), last ?? lastIp(subnet)]
}

function overlap(a: SubnetRange, b: SubnetRange): boolean {
  return rangeContains(a, boundsOf(b)[0]) || rangeContains(b, boundsOf(a)[0])
}

function parse<T>(range: string, text: string, read: (text: string) => T): T {
  try {
    return read(text)
  } catch (error) {
    throw invalid(range, error instanceof Error ? error.message : String(error))
  }
}

function invalid(range: string, problem: string): IpamError {
  return new IpamError('ERR_IPAM_INVALID_RANGE', `Cannot use range "${range}": ${problem}`)
}

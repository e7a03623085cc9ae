import { ifIndexFrom } from '@weft/ip'
import type { IfIndex } from '@weft/ip'
import { NetlinkDecodeError } from './errors.ts'

const LARGEST = 0x7fff_ffff

/** @throws {NetlinkDecodeError} If it is no index. */
export function decodeIfIndex(number: number): IfIndex {
  if (number < 1 || number > LARGEST) throw new NetlinkDecodeError(`interface index: it is ${number}, wanted 1 to ${LARGEST}`)
  return ifIndexFrom(number)
}

/**
 * For places where the kernel says 0, or nothing, for "no link".
 *
 * @throws {NetlinkDecodeError} If it is no index.
 */
export function decodeIfIndexMaybe(number: number | undefined): IfIndex | undefined {
  return number === undefined || number === 0 ? undefined : decodeIfIndex(number)
}

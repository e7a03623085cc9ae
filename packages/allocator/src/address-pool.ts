import { type Family, formatIp, type IpAddress } from '@weft/ip'
import { AddressRange } from './address-range.ts'
import { IpamError } from './ipam-error.ts'
import type { RangeSet } from './range-set.ts'

/**
 * All ranges of one family on this node, handed out round robin over all of them: a freed address comes back only after
 * every other one had its turn (IPAM-3), so a crash-looping pod does not get its old address at once.
 */
export class AddressPool {
  readonly family: Family
  #ranges: readonly AddressRange[] = []
  #last: IpAddress | undefined

  constructor(family: Family) {
    this.family = family
  }

  get ranges(): readonly AddressRange[] {
    return this.#ranges
  }

  get free(): number {
    return this.#ranges.reduce((sum, range) => sum + range.free, 0)
  }

  get capacity(): number {
    return this.#ranges.reduce((sum, range) => sum + range.capacity, 0)
  }

  /** Where the round begins: after this address. */
  resumeAfter(address: IpAddress): void {
    this.#last = address
  }

  /**
   * Makes these the ranges; ranges that stay keep what is taken in them.
   *
   * @param taken Addresses in use, also those outside every range.
   */
  setRanges(set: RangeSet, taken: Iterable<IpAddress>): void {
    const current = new Map(this.#ranges.map((range) => [range.key, range]))
    const added: AddressRange[] = []
    this.#ranges = set.map((wanted) => {
      const range = new AddressRange(wanted)
      const known = current.get(range.key)
      if (known !== undefined) return known
      added.push(range)
      return range
    })
    if (added.length === 0) return
    for (const address of taken) for (const range of added) range.take(address)
  }

  /**
   * Takes the next free address.
   *
   * @throws {IpamError} ERR_IPAM_NOT_READY without ranges, ERR_IPAM_POOL_EXHAUSTED when all are full (IPAM-7).
   */
  next(who: string): IpAddress {
    const ranges = this.#ranges
    if (ranges.length === 0) throw new IpamError('ERR_IPAM_NOT_READY', `Cannot allocate address for "${who}": this node has no IPv${this.family} range yet, wanted one from its podCIDRs or a pool`)
    const last = this.#last
    const start = Math.max(0, last === undefined ? 0 : ranges.findIndex((range) => range.offsetOf(last) !== undefined))
    const resumeAt = last === undefined ? 0 : (ranges[start]?.offsetOf(last) ?? -1) + 1
    // The range of the last address from there on, the other ranges, then its beginning.
    for (let turn = 0; turn <= ranges.length; turn += 1) {
      const range = ranges[(start + turn) % ranges.length]!
      const offset = range.allocate(turn === 0 ? resumeAt : 0)
      if (offset === undefined) continue
      const address = range.addressAt(offset)
      this.#last = address
      return address
    }
    throw new IpamError('ERR_IPAM_POOL_EXHAUSTED', `Cannot allocate address for "${who}": no IP addresses available in range set: ${ranges.join(',')}`)
  }

  /**
   * Takes an address that was asked for by name (IPAM-8).
   *
   * @throws {IpamError} ERR_IPAM_ADDRESS_UNAVAILABLE if it is in use, reserved or in no range.
   */
  take(address: IpAddress, who: string): void {
    const range = this.#ranges.find((candidate) => candidate.offsetOf(address) !== undefined)
    if (range === undefined) throw new IpamError('ERR_IPAM_ADDRESS_UNAVAILABLE', `Cannot allocate address "${formatIp(address)}" for "${who}": it is not in range set: ${this.#ranges.join(',')}`)
    if (!range.take(address)) throw new IpamError('ERR_IPAM_ADDRESS_UNAVAILABLE', `Cannot allocate address "${formatIp(address)}" for "${who}": it is in use or reserved, wanted a free one`)
    this.#last = address
  }

  /** Marks an address as taken, wherever it lies. */
  occupy(address: IpAddress): void {
    for (const range of this.#ranges) range.take(address)
  }

  release(address: IpAddress): void {
    for (const range of this.#ranges) range.release(address)
  }
}

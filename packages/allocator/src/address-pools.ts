import type { Cidr, Family, IpAddress } from '@weft/ip'
import { AddressPool } from './address-pool.ts'
import { familyOf, type RangeSet, rangeSetKey } from './range-set.ts'

/** Range sets of requests that are remembered; networks of a node are few, and a bitmap has at most 8 KiB. */
const mostOwnPools = 64

/** The pools of a node, one a family, and those of requests that name their ranges; these may overlap with the node's and with each other: what is taken in one is taken in all. */
export class AddressPools {
  readonly #node: Readonly<Record<Family, AddressPool>> = { 4: new AddressPool(4), 6: new AddressPool(6) }
  /** The least recently used first. */
  readonly #own = new Map<string, AddressPool>()
  readonly #inUse: () => Iterable<IpAddress>

  /** @param inUse Addresses that somebody has, for pools whose ranges change. */
  constructor(inUse: () => Iterable<IpAddress>) {
    this.#inUse = inUse
  }

  /** Of the node. */
  of(family: Family): AddressPool {
    return this.#node[family]
  }

  /** Of a request. */
  for(set: RangeSet): AddressPool {
    const key = rangeSetKey(set)
    let pool = this.#own.get(key)
    if (pool === undefined) {
      pool = new AddressPool(familyOf(set))
      pool.setRanges(set, this.#inUse())
    }
    this.#own.delete(key)
    this.#own.set(key, pool)
    // What is forgotten is only where its round was: bitmaps are made from what is in use.
    for (const oldest of this.#own.keys()) if (this.#own.size > mostOwnPools) this.#own.delete(oldest)
    return pool
  }

  /** Makes these the ranges of the node. */
  setRanges(cidrs: readonly Cidr[]): void {
    for (const pool of Object.values(this.#node)) pool.setRanges(cidrs.filter(({ family }) => family === pool.family).map((subnet) => ({ subnet })), this.#inUse())
  }

  occupy(address: IpAddress): void {
    this.#node[address.family].occupy(address)
    for (const pool of this.#own.values()) if (pool.family === address.family) pool.occupy(address)
  }

  /** One of them has given it already. */
  occupyElsewhere(address: IpAddress): void {
    if (this.#own.size > 0) this.occupy(address)
  }

  free(address: IpAddress): void {
    this.#node[address.family].release(address)
    for (const pool of this.#own.values()) if (pool.family === address.family) pool.release(address)
  }
}

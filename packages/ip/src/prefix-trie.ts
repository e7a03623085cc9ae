import { type Cidr, cidrFrom } from './cidr.ts'
import { addressBits, type Family, type IpAddress } from './ip-address.ts'

/**
 * Values by network, with the longest match for an address. One hash table per prefix length in use: a lookup costs as
 * many probes as there are lengths (a cluster has a handful), a change costs one, whatever the number of networks.
 */
export class PrefixTrie<V> {
  readonly #tables: Readonly<Record<Family, { readonly byPrefix: Map<number, Map<bigint, { readonly cidr: Cidr, readonly value: V }>>, lengths: readonly number[] }>> = {
    4: { byPrefix: new Map(), lengths: [] },
    6: { byPrefix: new Map(), lengths: [] },
  }

  #size = 0

  get size(): number {
    return this.#size
  }

  /** Replaces what the very same network had. */
  set(cidr: Cidr, value: V): void {
    const table = this.#tables[cidr.family]
    let networks = table.byPrefix.get(cidr.prefix)
    if (networks === undefined) {
      networks = new Map()
      table.byPrefix.set(cidr.prefix, networks)
      table.lengths = [...table.byPrefix.keys()].sort((a, b) => b - a)
    }
    if (!networks.has(cidr.bits)) this.#size += 1
    networks.set(cidr.bits, { cidr, value })
  }

  /** The value of exactly that network. */
  get(cidr: Cidr): V | undefined {
    return this.#tables[cidr.family].byPrefix.get(cidr.prefix)?.get(cidr.bits)?.value
  }

  /** @returns Whether it was there. */
  delete(cidr: Cidr): boolean {
    const table = this.#tables[cidr.family]
    const networks = table.byPrefix.get(cidr.prefix)
    if (networks?.delete(cidr.bits) !== true) return false
    this.#size -= 1
    if (networks.size === 0) {
      table.byPrefix.delete(cidr.prefix)
      table.lengths = [...table.byPrefix.keys()].sort((a, b) => b - a)
    }
    return true
  }

  /** The most specific network that contains the address. */
  lookup(ip: IpAddress): { readonly cidr: Cidr, readonly value: V } | undefined {
    const { byPrefix, lengths } = this.#tables[ip.family]
    const width = addressBits(ip.family)
    for (const prefix of lengths) {
      const host = BigInt(width - prefix)
      const found = byPrefix.get(prefix)!.get((ip.bits >> host) << host)
      if (found !== undefined) return found
    }
    return undefined
  }

  /** All networks, those of longer prefixes first. */
  * entries(): Generator<readonly [cidr: Cidr, value: V], void, undefined> {
    for (const family of [4, 6] as const)
      for (const prefix of this.#tables[family].lengths)
        for (const { cidr, value } of this.#tables[family].byPrefix.get(prefix)!.values()) yield [cidr, value]
  }
}

/** The network of one address. */
export function hostCidr(ip: IpAddress): Cidr {
  return cidrFrom(ip, addressBits(ip.family))
}

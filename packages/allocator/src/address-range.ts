import { BitmapAllocator, type Cidr, cidrSize, firstIp, formatCidr, type IpAddress, ipFromBits, lastIp } from '@weft/ip'
import { IpamError } from './ipam-error.ts'
import { formatRange, gatewayOf, rangeSetKey, type SubnetRange } from './range-set.ts'

/**
 * How many addresses of one range are handed out at most, counted from its start. More than a node can run pods; it
 * bounds the bitmap of an IPv6 /64 to 8 KiB.
 */
const maxAddresses = 65_536

/** One range of addresses with its bitmap of what is taken. Offsets count from the network address, or from where the range begins. */
export class AddressRange {
  readonly cidr: Cidr
  /** The same for equal ranges. */
  readonly key: string
  readonly #text: string
  readonly #base: bigint
  readonly #size: number
  readonly #reserved: number
  readonly #bitmap: BitmapAllocator
  #taken = 0

  /** @throws {IpamError} ERR_IPAM_RANGE_TOO_SMALL if nothing is left once the reserved addresses are set aside. */
  constructor(range: SubnetRange) {
    const { subnet: cidr, first = firstIp(cidr), last = lastIp(cidr) } = range
    const total = cidrSize(cidr)
    if (total < 4n) throw new IpamError('ERR_IPAM_RANGE_TOO_SMALL', `Cannot use range "${formatCidr(cidr)}": Network ${formatCidr(cidr)} too small to allocate from, wanted room for four addresses`)
    this.cidr = cidr
    this.key = rangeSetKey([range])
    this.#text = formatRange(range)
    this.#base = first.bits
    const length = last.bits - first.bits + 1n
    this.#size = length > BigInt(maxAddresses) ? maxAddresses : Number(length)
    this.#bitmap = new BitmapAllocator(this.#size)
    // Network (or subnet-router anycast) address, the gateway's, and broadcast.
    const reserved = new Set([cidr.bits, gatewayOf(range).bits, ...cidr.family === 4 ? [lastIp(cidr).bits] : []].map((bits) => bits - this.#base).filter((offset) => offset >= 0n && offset < BigInt(this.#size)).map(Number))
    for (const offset of reserved) this.#bitmap.take(offset)
    this.#reserved = reserved.size
    if (this.capacity === 0) throw new IpamError('ERR_IPAM_RANGE_TOO_SMALL', `Cannot use range "${this.#text}": network, gateway and broadcast address are all that is in it, wanted room for more`)
  }

  /** Addresses that can be handed out when nothing is taken. */
  get capacity(): number {
    return this.#size - this.#reserved
  }

  get free(): number {
    return this.capacity - this.#taken
  }

  /** Of the address, or undefined if this range never hands it out because it lies outside. */
  offsetOf(address: IpAddress): number | undefined {
    if (address.family !== this.cidr.family) return undefined
    const offset = address.bits - this.#base
    return offset >= 0n && offset < BigInt(this.#size) ? Number(offset) : undefined
  }

  addressAt(offset: number): IpAddress {
    return ipFromBits(this.cidr.family, this.#base + BigInt(offset))
  }

  /** Takes the first free address at or after an offset, without wrapping around. */
  allocate(from: number): number | undefined {
    if (from >= this.#size) return undefined
    const offset = this.#bitmap.allocate(from)
    if (offset === undefined) return undefined
    if (offset < from) {
      this.#bitmap.release(offset)
      return undefined
    }
    this.#taken += 1
    return offset
  }

  /** @returns False if it is taken already or never handed out. */
  take(address: IpAddress): boolean {
    const offset = this.offsetOf(address)
    if (offset === undefined || !this.#bitmap.take(offset)) return false
    this.#taken += 1
    return true
  }

  release(address: IpAddress): void {
    const offset = this.offsetOf(address)
    if (offset !== undefined && this.#bitmap.release(offset)) this.#taken -= 1
  }

  /** `10.1.2.0-10.1.2.255`, as host-local prints a range. */
  toString(): string {
    return this.#text
  }
}

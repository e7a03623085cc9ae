import { BitmapAllocator, type Cidr, cidrContains, cidrSize, formatCidr, formatIp, type IpAddress, ipFromBits } from '@weft/ip'
import { IpamError } from './ipam-error.ts'

/**
 * How many addresses of one range are handed out at most, counted from its start. More than a node can run pods; it
 * bounds the bitmap of an IPv6 /64 to 8 KiB.
 */
const maxAddresses = 65_536

/** One range of addresses with its bitmap of what is taken. Offsets count from the network address. */
export class AddressRange {
  readonly cidr: Cidr
  readonly #size: number
  readonly #reserved: number
  readonly #bitmap: BitmapAllocator
  #taken = 0

  /** @throws {IpamError} ERR_IPAM_RANGE_TOO_SMALL if nothing is left once the reserved addresses are set aside. */
  constructor(cidr: Cidr) {
    const total = cidrSize(cidr)
    if (total < 4n) throw new IpamError('ERR_IPAM_RANGE_TOO_SMALL', `Cannot use range "${formatCidr(cidr)}": Network ${formatCidr(cidr)} too small to allocate from, wanted room for four addresses`)
    this.cidr = cidr
    this.#size = total > BigInt(maxAddresses) ? maxAddresses : Number(total)
    this.#bitmap = new BitmapAllocator(this.#size)
    // Network (or subnet-router anycast) address, and the first address, which is a gateway's by custom.
    const reserved = [0, 1]
    if (cidr.family === 4 && total === BigInt(this.#size)) reserved.push(this.#size - 1)
    for (const offset of reserved) this.#bitmap.take(offset)
    this.#reserved = reserved.length
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
    if (address.family !== this.cidr.family || !cidrContains(this.cidr, address)) return undefined
    const offset = address.bits - this.cidr.bits
    return offset < BigInt(this.#size) ? Number(offset) : undefined
  }

  addressAt(offset: number): IpAddress {
    return ipFromBits(this.cidr.family, this.cidr.bits + BigInt(offset))
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
    return `${formatIp(this.addressAt(0))}-${formatIp(ipFromBits(this.cidr.family, this.cidr.bits + cidrSize(this.cidr) - 1n))}`
  }
}

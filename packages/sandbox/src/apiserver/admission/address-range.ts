import { addressBits, cidrContains, firstIp, formatCidr, formatIp, ipFromBits, type Cidr, type IpAddress } from '@weft/ip'

/** Addresses of a range beyond this many are never given out, as in Kubernetes' allocators. */
const MAX_SIZE = 65_536n

/** Service addresses of one family: which are in use, and which to give next. */
export class AddressRange {
  readonly cidr: Cidr
  readonly #first: bigint
  readonly #size: bigint
  readonly #used = new Set<string>()
  #next: bigint

  /** @param cidr The range; its first address and, for IPv4, its last are never given out. */
  constructor(cidr: Cidr) {
    this.cidr = cidr
    this.#first = firstIp(cidr).bits
    const all = 1n << BigInt(addressBits(cidr.family) - cidr.prefix)
    this.#size = all > MAX_SIZE ? MAX_SIZE : cidr.family === 4 ? all - 1n : all
    this.#next = this.#dynamicStart()
  }

  /** KEP-3070: the lower part is for addresses that users choose; it is used last. */
  #dynamicStart(): bigint {
    const share = this.#size / 16n
    const band = share < 16n ? 16n : share > 256n ? 256n : share
    return this.#size > 32n ? band + 1n : 1n
  }

  get text(): string {
    return formatCidr(this.cidr)
  }

  contains(address: IpAddress): boolean {
    if (address.family !== this.cidr.family || !cidrContains(this.cidr, address)) return false
    const offset = address.bits - this.#first
    return offset >= 1n && offset < this.#size
  }

  isUsed(address: IpAddress): boolean {
    return this.#used.has(formatIp(address))
  }

  /** A free address; it counts as used when the object that has it is stored. */
  findFree(): string | undefined {
    for (let tried = 1n; tried < this.#size; tried++) {
      const text = formatIp(ipFromBits(this.cidr.family, this.#first + this.#next))
      this.#next = this.#next + 1n < this.#size ? this.#next + 1n : 1n
      if (!this.#used.has(text)) return text
    }
    return undefined
  }

  take(text: string): void {
    this.#used.add(text)
  }

  release(text: string): void {
    this.#used.delete(text)
  }
}

import type { IpAddress } from '@weft/ip'

interface Cooling {
  readonly address: IpAddress
  readonly until: number
}

/**
 * Addresses that are given back and not yet free: what is still on its way to their last owner must not reach the next.
 * Asking costs what has become free since the last time.
 */
export class CoolingAddresses {
  readonly #ms: number
  readonly #now: () => number
  readonly #free: (address: IpAddress) => void
  /** Oldest first: all cool for the same time. */
  #waiting: Cooling[] = []

  /** @param free Called with each address when its time is over. */
  constructor(ms: number, now: () => number, free: (address: IpAddress) => void) {
    this.#ms = ms
    this.#now = now
    this.#free = free
  }

  add(address: IpAddress): void {
    if (this.#ms === 0) this.#free(address)
    else this.#waiting.push({ address, until: this.#now() + this.#ms })
  }

  /** What is given back and not free yet. */
  addresses(): readonly IpAddress[] {
    return this.#waiting.map(({ address }) => address)
  }

  /** Frees what is cool. */
  settle(): void {
    const now = this.#now()
    const still = this.#waiting.findIndex(({ until }) => until > now)
    const cool = still === -1 ? this.#waiting.splice(0) : this.#waiting.splice(0, still)
    for (const { address } of cool) this.#free(address)
  }

  /** Somebody asks for this very address: he knows what he does. */
  hurry(address: IpAddress): void {
    const index = this.#waiting.findIndex((cooling) => cooling.address.family === address.family && cooling.address.bits === address.bits)
    if (index !== -1) this.#free(this.#waiting.splice(index, 1)[0]!.address)
  }
}

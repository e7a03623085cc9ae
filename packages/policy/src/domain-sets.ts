import type { DomainPattern, Fqdn } from '@weft/api'
import { formatIp, type IpAddress } from '@weft/ip'
import { domainSetName, families } from './names.ts'
import { References } from './references.ts'
import type { TableDraft } from './table-draft.ts'
import { addressSet } from './table.ts'

interface DomainSet {
  /** A name, or `*.` and the name that those it means end in. */
  readonly domain: DomainPattern
  /** By text. */
  readonly learnt: Map<string, { readonly ip: IpAddress, until: number }>
}

/** Sets of the addresses that DNS gave for the names rules mean. Somebody else asks DNS; what it learns is believed for a while. */
export class DomainSets {
  readonly #draft: TableDraft
  readonly #domains = new References<DomainSet>()

  constructor(draft: TableDraft) {
    this.#draft = draft
  }

  /** What rules mean, as they write it. */
  get wanted(): readonly DomainPattern[] {
    return [...this.#domains.values()].map(({ domain }) => domain)
  }

  /** What they stand for now. */
  addresses(): ReadonlyMap<DomainPattern, readonly IpAddress[]> {
    return new Map([...this.#domains.values()].map(({ domain, learnt }) => [domain, [...learnt.values()].map(({ ip }) => ip)]))
  }

  acquire(domains: readonly DomainPattern[]): void {
    for (const domain of domains) {
      if (!this.#domains.add(domain, { domain, learnt: new Map() })) continue
      for (const family of families) this.#draft.putSet(addressSet(domainSetName(family, domain), family, domain))
    }
  }

  release(domains: readonly DomainPattern[]): void {
    for (const domain of domains) if (this.#domains.remove(domain)) for (const family of families) this.#draft.dropSet(domainSetName(family, domain))
  }

  /**
   * A name has an address.
   *
   * @param until Time of the clock, in milliseconds; the latest that was told counts.
   * @returns Whether a rule means the name, and the kernel is yet to have the address.
   */
  learn(name: Fqdn, ip: IpAddress, until: number): boolean {
    const found = [...this.#domains.values()].filter(({ domain }) => isMeant(domain, name))
    return found.map((set) => this.#hold(set, ip, until)).includes(true)
  }

  /** An earlier process had learnt it: which name it was is in the name of the set. */
  adopt(setName: string, ip: IpAddress, until: number): void {
    for (const set of this.#domains.values()) if (domainSetName(ip.family, set.domain) === setName) this.#hold(set, ip, until)
  }

  /** Until when all that was learnt is believed; Infinity when nothing was. */
  get believedUntil(): number {
    let first = Infinity
    for (const { learnt } of this.#domains.values()) for (const { until } of learnt.values()) first = Math.min(first, until)
    return first
  }

  /** Forgets what is older. */
  expire(now: number): void {
    for (const { domain, learnt } of this.#domains.values()) for (const [address, { ip, until }] of learnt) if (until <= now) {
      learnt.delete(address)
      this.#draft.dropElement(domainSetName(ip.family, domain), address)
    }
  }

  #hold({ domain, learnt }: DomainSet, ip: IpAddress, until: number): boolean {
    const [set, address] = [domainSetName(ip.family, domain), formatIp(ip)]
    const known = learnt.get(address)
    if (known !== undefined) known.until = Math.max(known.until, until)
    else {
      learnt.set(address, { ip, until })
      this.#draft.putElement(set, address, { key: [ip] })
    }
    return this.#draft.isUnsettled(set, address)
  }
}

/** `*.` stands for one label or more. */
function isMeant(domain: DomainPattern, name: Fqdn): boolean {
  return domain.startsWith('*.') ? name.endsWith(domain.slice(1)) : name === domain
}

import { type Cidr, cidrContains, parseIp } from '@weft/ip'

/** What to do with a question, by who asks. */
export type Verdict = 'answer' | 'limit' | 'refuse'

interface Client {
  readonly allowed: boolean
  /** Answers left in this second. */
  left: number
  second: number
}

/** Sources remembered; beyond it all are forgotten at once, which costs each one parse. */
const maxClients = 16_384

/** Decides who is answered, and how often. Addresses are parsed once per client, not once per question. */
export class ClientGate {
  readonly #ranges: readonly Cidr[]
  readonly #perSecond: number
  readonly #clients = new Map<string, Client>()

  /**
   * @param ranges Who may ask; empty: everybody.
   * @param perSecond UDP answers a second for one address; 0: no limit.
   */
  constructor(ranges: readonly Cidr[], perSecond: number) {
    this.#ranges = ranges
    this.#perSecond = perSecond
  }

  /**
   * @param address As sockets say it, perhaps with a zone (`fe80::1%eth0`).
   * @param nowMs Counts against the limit of this moment; undefined: does not count (TCP proves its source).
   */
  judge(address: string, nowMs: number | undefined): Verdict {
    if (this.#ranges.length === 0 && this.#perSecond === 0) return 'answer'
    let client = this.#clients.get(address)
    if (client === undefined) {
      if (this.#clients.size >= maxClients) this.#clients.clear()
      client = { allowed: this.#allows(address), left: this.#perSecond, second: 0 }
      this.#clients.set(address, client)
    }
    if (!client.allowed) return 'refuse'
    if (this.#perSecond === 0 || nowMs === undefined) return 'answer'
    const second = Math.floor(nowMs / 1000)
    if (second !== client.second) {
      client.second = second
      client.left = this.#perSecond
    }
    return client.left-- > 0 ? 'answer' : 'limit'
  }

  #allows(address: string): boolean {
    if (this.#ranges.length === 0) return true
    const ip = parseIp(address.split('%', 1)[0]!)
    return this.#ranges.some((range) => cidrContains(range, ip))
  }
}

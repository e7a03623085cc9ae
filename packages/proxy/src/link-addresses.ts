import { loopbackStandIns } from '@weft/api'
import { backoff, type Clock, type Logger } from '@weft/daemon'
import { compareIp, equalIp, type IpAddress, isLinkLocal, isLoopback, isMulticast, parseIp } from '@weft/ip'
import { monitor, type RouteSocket } from '@weft/netlink'

/** The addresses that this machine has on its links, whatever its Node object says. */
export interface LocalAddresses {
  values(): readonly IpAddress[]
  /** Called after every change. @returns Ends it. */
  subscribe(listener: () => void): () => void
}

interface LinkAddressOptions {
  readonly route: Pick<RouteSocket, 'addresses'>
  /** A network namespace; the process's own without. */
  readonly netns?: string | undefined
  readonly clock: Clock
  readonly logger: Logger
}

const standIns = Object.values(loopbackStandIns).map((text) => parseIp(text))

/** Follows the kernel. Loopback and link-local addresses are left out, as are those that we put on `lo` ourselves. */
export class LinkAddresses implements LocalAddresses {
  readonly #options: LinkAddressOptions
  readonly #listeners = new Set<() => void>()
  #values: readonly IpAddress[]

  constructor(options: LinkAddressOptions) {
    this.#options = options
    this.#values = this.#read()
  }

  values(): readonly IpAddress[] {
    return this.#values
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { netns, clock, logger } = this.#options
    const wait = backoff({ baseMs: 100, maxMs: 30_000 })
    while (!signal.aborted) {
      try {
        const events = await monitor({ groups: ['address4', 'address6'], netns, signal })
        this.#refresh()
        for await (const _event of events) {
          wait.reset()
          this.#refresh()
        }
      } catch (error) {
        if (signal.aborted) return
        logger.warn({ err: error }, 'cannot follow addresses of links')
      }
      if (!signal.aborted) await clock.sleep(wait.next(), { signal }).catch(() => undefined)
    }
  }

  #refresh(): void {
    const now = this.#read()
    if (now.length === this.#values.length && now.every((ip, index) => equalIp(ip, this.#values[index]!))) return
    this.#values = now
    for (const listener of this.#listeners) listener()
  }

  #read(): readonly IpAddress[] {
    return this.#options.route.addresses()
      .filter(({ tentative, dadFailed }) => !tentative && !dadFailed).map(({ address }) => address)
      .filter((ip) => !isLoopback(ip) && !isLinkLocal(ip) && !isMulticast(ip) && !standIns.some((own) => equalIp(own, ip)))
      .sort(compareIp)
  }
}

import type { ListenAddress } from '@weft/api'
import type { Clock, Logger } from '@weft/daemon'
import { parseCidr } from '@weft/ip'
import type { DnsConfig } from '../config.ts'
import { DnsError } from '../dns-error.ts'
import { LoopGuard, type LoopMemory } from '../forward/loop-guard.ts'
import { Resolver } from '../forward/resolver.ts'
import type { LiveZone } from '../zone/live-zone.ts'
import { ClientGate } from './client-gate.ts'
import type { Counters } from './counters.ts'
import { QueryHandler } from './query-handler.ts'
import { serveUdp, type UdpServer } from './udp-server.ts'

export interface ThreadDeps {
  readonly config: DnsConfig
  readonly upstreams: readonly ListenAddress[]
  readonly zone: LiveZone
  readonly loops: LoopMemory
  readonly counters: Counters
  readonly clock: Clock
  readonly logger: Logger
  readonly rng: () => number
}

/** What every thread that answers has: a handler with its resolver and cache. */
export interface AnsweringThread {
  readonly handler: QueryHandler
  readonly resolver: Resolver
}

export function createThread(deps: ThreadDeps): AnsweringThread {
  const { clock, config, counters, logger, rng, upstreams, zone } = deps
  const resolver = new Resolver({ forward: config.forward, cache: config.cache, upstreams, loops: new LoopGuard(deps.loops), counters, clock, logger })
  const gate = new ClientGate(config.clients.map(parseCidr), config.maxQueriesPerClient)
  return { resolver, handler: new QueryHandler({ zone, resolver, gate, counters, clock, logger, rng, maxUdpBytes: config.maxUdpBytes }) }
}

/**
 * Opens the UDP sockets of a thread. A wildcard of a family this machine does not have is left out.
 *
 * @throws {DnsError} `ERR_DNS_LISTEN`.
 */
export async function openUdp(listen: readonly ListenAddress[], { handler }: AnsweringThread, { logger, reusePort }: { readonly reusePort: boolean, readonly logger: Logger }): Promise<readonly UdpServer[]> {
  const servers: UdpServer[] = []
  for (const address of listen) {
    try {
      servers.push(await serveUdp({ listen: address, reusePort, handle: (arrival, out) => handler.handle(arrival, out), logger }))
    } catch (error) {
      if (!isMissingFamily(error, address)) {
        for (const server of servers) await server[Symbol.asyncDispose]()
        throw error
      }
      logger.info({ address: address.address }, 'address family is not there: not listening')
    }
  }
  if (servers.length === 0) throw new DnsError('ERR_DNS_LISTEN', `Cannot listen on "${listen.map(({ address }) => address).join(', ')}": no address family of these is there, want one`)
  return servers
}

function isMissingFamily(error: unknown, { address }: ListenAddress): boolean {
  const cause = error instanceof DnsError ? (error.cause as NodeJS.ErrnoException | undefined)?.code : undefined
  return (address === '::' || address === '0.0.0.0') && (cause === 'EAFNOSUPPORT' || cause === 'EADDRNOTAVAIL')
}

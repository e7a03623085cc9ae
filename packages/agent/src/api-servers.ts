import { readFileSync } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { EndpointSlice } from '@weft/api'
import { type Clock, type Logger, Reconciler } from '@weft/daemon'
import { formatIp } from '@weft/ip'
import type { KubeConnection, Store } from '@weft/kube'

interface ApiServersOptions {
  readonly slices: Store<EndpointSlice>
  /** Where they are kept for the next start: when the node comes up again, the ones given at install may be gone. */
  readonly path: string
  readonly learn: KubeConnection['learn']
  readonly clock: Clock
  readonly logger: Logger
}

/** The real addresses of the API server, which the endpoints of `default/kubernetes` are; in order, so that equal sets are equal. */
export function serversOf(slices: Iterable<EndpointSlice>): readonly string[] {
  const addresses = [...slices]
    .filter(({ namespace, serviceName }) => namespace === 'default' && serviceName === 'kubernetes')
    .flatMap(({ endpoints, ports }) => ports.filter(({ name }) => name === 'https').flatMap(({ port }) => endpoints.filter(({ ready }) => ready).flatMap(({ ip }) => (ip === undefined ? [] : `https://${ip.family === 6 ? `[${formatIp(ip)}]` : formatIp(ip)}:${port}`))))
  return [...new Set(addresses)].toSorted()
}

/** Those an earlier life of this node learned; none when the file is not there or not whole. */
export function readServers(path: string): readonly string[] {
  try {
    const servers: unknown = JSON.parse(readFileSync(path, 'utf8'))
    return Array.isArray(servers) ? servers.filter((each): each is string => typeof each === 'string' && URL.canParse(each)) : []
  } catch {
    return []
  }
}

/**
 * Learns where the API server really is and keeps it for the next start: the Service address needs the very network that
 * this agent brings up (LIFE-2).
 */
export async function followApiServers({ slices, path, learn, clock, logger }: ApiServersOptions, signal: AbortSignal): Promise<void> {
  let known = readServers(path)
  const loop = new Reconciler({
    name: 'api-servers',
    clock,
    logger,
    reconcile: async () => {
      const servers = serversOf(slices.values())
      // Nobody is told that there is none: the last ones known are the best guess.
      if (servers.length === 0 || servers.join() === known.join()) return
      learn(servers)
      await mkdir(dirname(path), { recursive: true })
      await writeFile(`${path}.tmp`, `${JSON.stringify(servers)}\n`)
      await rename(`${path}.tmp`, path)
      known = servers
      logger.info({ servers }, 'addresses of the API server learned')
    },
  })
  const unsubscribe = slices.subscribe(({ old, new: now }) => {
    if ((now ?? old).namespace === 'default' && (now ?? old).serviceName === 'kubernetes') loop.trigger()
  })
  try {
    await slices.whenSynced(signal)
    await loop.run(signal)
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    unsubscribe()
  }
}

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { podUidFrom, routeProtocols } from '@weft/api'
import type { Logger } from '@weft/daemon'
import { firstIp, formatIp, type IpAddress, parseMac } from '@weft/ip'
import type { RouteSocket } from '@weft/netlink'
import { parsePluginConfig } from '@weft/plugin'
import { z } from 'zod'
import { addressesOfPorts } from './bridge.ts'
import { linkIdentity } from './link-name.ts'
import { formatData } from './model.ts'
import { mainTable } from './pod-route.ts'
import { type NetworkConfig, readNetworkConfig } from './network-config.ts'
import type { PodsPort, StoredAttachment } from './ports.ts'
import { isHostIfname } from './teardown.ts'
import { messageOf } from '@weft/daemon/message-of'

export interface RebuildSources {
  readonly route: Pick<RouteSocket, 'links' | 'routes' | 'neighbours' | 'fdb'>
  /** Folder where the runtime keeps results of ADD (CNI-43). */
  readonly cachePath: string
  readonly pods: PodsPort | undefined
  readonly logger: Logger
}

/** What libcni writes down after ADD, as far as it helps. */
const cacheSchema = z.object({
  kind: z.literal('cniCacheV1'),
  containerId: z.string(),
  ifName: z.string(),
  netns: z.string().optional(),
  config: z.string(),
  cniArgs: z.array(z.tuple([z.string(), z.string()])).nullish(),
  capabilityArgs: z.unknown(),
})

type Known = Pick<StoredAttachment, 'containerId' | 'ifname' | 'namespace' | 'name' | 'uid' | 'netns'> & { readonly runtimeConfig: unknown, readonly network: string }

/**
 * Attachments of a node whose store is lost: the kernel says which links and addresses there are, the runtime's cache and
 * the API whose they are. A link of whom nobody knows gets a name of its own, so that its addresses are given to nobody
 * while it lives.
 */
export async function findAttachments({ route, cachePath, pods, logger }: RebuildSources): Promise<readonly StoredAttachment[]> {
  const known = await readCache(cachePath, logger)
  const routes = route.routes({ table: mainTable, protocol: routeProtocols.cni })
  const ports = addressesOfPorts(route)
  return route.links({ kind: 'veth' }).filter(({ name }) => isHostIfname(name)).flatMap((link) => {
    const port = ports.get(link.index)
    const ips: readonly IpAddress[] = (port?.ips ?? routes.filter(({ ifIndex }) => ifIndex === link.index).map(({ destination }) => firstIp(destination))).toSorted((a, b) => a.family - b.family)
    if (ips.length === 0) return []
    const cached = known.get(link.name)
    const pod = ips.map((ip) => pods?.byAddress(ip)).find((found) => found !== undefined)
    const podMac = port?.podMac ?? route.neighbours({ ifIndex: link.index }).find(({ state, mac }) => state === 'permanent' && mac !== undefined)?.mac ?? parseMac('00:00:00:00:00:00')
    const identity = cached ?? { containerId: `unknown-${link.name}`, ifname: 'eth0', netns: '', namespace: '', name: '', uid: undefined, network: '', runtimeConfig: undefined }
    const { portMappings, bandwidth } = readRuntimeConfig(identity, logger)
    logger.info({ link: link.name, container: identity.containerId, ips: ips.map(formatIp) }, 'attachment found again')
    return [{
      containerId: identity.containerId, ifname: identity.ifname, netns: identity.netns,
      namespace: identity.namespace || (pod?.namespace ?? ''), name: identity.name || (pod?.name ?? ''), uid: identity.uid ?? pod?.uid,
      hostIfname: link.name, ips, state: 'attached' as const, data: formatData({ network: identity.network, podMac, portMappings, bandwidth, mtu: link.mtu, bridged: port !== undefined }),
    }]
  })
}

/** One file that cannot be read does not keep the others from being found again. */
function readRuntimeConfig({ runtimeConfig, network }: Pick<Known, 'runtimeConfig' | 'network'>, logger: Logger): Pick<NetworkConfig, 'portMappings' | 'bandwidth'> {
  if (network === '' || runtimeConfig === undefined) return { portMappings: [], bandwidth: undefined }
  try {
    return readNetworkConfig(parsePluginConfig(Buffer.from(JSON.stringify({ cniVersion: '1.0.0', name: network, runtimeConfig }))))
  } catch (error) {
    logger.warn({ network, error: messageOf(error) }, 'capabilities in the runtime\'s cache passed over')
    return { portMappings: [], bandwidth: undefined }
  }
}

async function readCache(folder: string, logger: Logger): Promise<ReadonlyMap<string, Known>> {
  const known = new Map<string, Known>()
  for (const name of await readdir(folder).catch(() => [])) {
    try {
      const { containerId, ifName, netns = '', config, cniArgs, capabilityArgs } = cacheSchema.parse(JSON.parse(await readFile(join(folder, name), 'utf8')))
      const args = new Map(cniArgs ?? [])
      const network: unknown = (JSON.parse(Buffer.from(config, 'base64').toString()) as Readonly<Record<string, unknown>>)['name']
      known.set(linkIdentity(containerId, ifName).hostIfname, {
        containerId, ifname: ifName, netns, network: typeof network === 'string' ? network : '', runtimeConfig: capabilityArgs ?? undefined,
        namespace: args.get('K8S_POD_NAMESPACE') ?? '', name: args.get('K8S_POD_NAME') ?? '', uid: podUidFrom(args.get('K8S_POD_UID')),
      })
    } catch (error) {
      logger.debug({ file: name, error: messageOf(error) }, 'file of the runtime\'s cache passed over')
    }
  }
  return known
}

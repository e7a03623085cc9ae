import { existsSync } from 'node:fs'
import { readdir, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { links, loopbackStandIns, routeProtocols, routing, tables } from '@weft/api'
import { uninstallCni } from '@weft/cni'
import { formatIp } from '@weft/ip'
import { NetlinkError, type RouteSocket } from '@weft/netlink'
import { type Nft, type TableName, Transaction } from '@weft/nftables'

export interface CleanOptions {
  readonly route: RouteSocket
  readonly nft: Nft
  readonly binDir: string
  readonly confDir: string
  /** Folders that go with all they hold: it is ours. */
  readonly folders: readonly string[]
}

/** What was removed, and what could not be. */
export interface Cleaned {
  readonly removed: readonly string[]
  readonly failed: readonly string[]
}

/** Routes of ours: `ip route … proto 87` and 88. */
const protocols: ReadonlySet<number> = new Set(Object.values(routeProtocols))
/** Host ends of pod links. */
const podLink = new RegExp(`^${links.podPrefix}[0-9a-f]{11}$`)
/** On `lo`, while ports of the node answer on loopback. */
const standIns: ReadonlySet<string> = new Set(Object.values(loopbackStandIns))

/**
 * Removes everything of ours from a node: first the network configuration, so that no pod is wired any more, then what
 * the kernel holds, then files. Goes on after a failure. A node that has nothing of ours is fine.
 */
export async function cleanNode({ route, nft, binDir, confDir, folders }: CleanOptions): Promise<Cleaned> {
  const removed: string[] = []
  const failed: string[] = []
  const attempt = async (what: string, remove: () => void | Promise<void>): Promise<void> => {
    try {
      await remove()
      removed.push(what)
    } catch (error) {
      // Gone with something removed before it: a route with its link.
      if (error instanceof NetlinkError && ['ENOENT', 'ESRCH', 'ENODEV'].includes(error.code)) return
      failed.push(`${what}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  await attempt('CNI plugin and network configuration', async () => uninstallCni({ binDir, confDir }))
  for (const link of ourLinks(route)) await attempt(`link ${link.name}`, () => route.deleteLink(link.index))
  for (const rule of ourRules(route)) await attempt(`rule ${rule.priority}`, () => route.deleteRule(rule))
  for (const { destination, type, table, protocol, via, metric, ifIndex } of ourRoutes(route)) {
    // The kernel shows IPv6 unreachable routes on lo and does not find them by that name.
    await attempt(`route of protocol ${protocol} in table ${table}`, () => route.deleteRoute({ destination, type, table, protocol, via, metric, ...(type === 'unicast' ? { ifIndex } : {}) }))
  }
  for (const { ifIndex, address, prefix } of ourAddresses(route)) await attempt(`address ${formatIp(address)}`, () => route.deleteAddress({ ifIndex, address, prefix }))
  for (const { family, name } of ourTables(nft)) await attempt(`table ${name}`, () => nft.commit(new Transaction({ family, name }).deleteTable()))
  for (const folder of folders) {
    for (const name of await readdir(folder).catch(() => [])) await attempt(`file ${join(folder, name)}`, () => rm(join(folder, name), { recursive: true, force: true }))
    // One that is mounted here is whoever's who did that.
    if (existsSync(folder)) await attempt(`folder ${folder}`, async () => await rmdir(folder).catch((error: unknown) => { if (!isBusy(error)) throw error }))
  }
  return { removed, failed: [...failed, ...leftovers(route, nft)] }
}

/** What of ours is in the kernel; empty on a node that never had Weft. */
export function leftovers(route: RouteSocket, nft: Nft): readonly string[] {
  return [
    ...ourLinks(route).map(({ name }) => `link ${name} is left`),
    ...ourRules(route).map(({ priority }) => `rule ${priority} is left`),
    ...ourRoutes(route).map(({ protocol, table }) => `a route of protocol ${protocol} is left in table ${table}`),
    ...ourAddresses(route).map(({ address }) => `address ${formatIp(address)} is left`),
    ...ourTables(nft).map(({ name }) => `table ${name} is left`),
  ]
}

function ourLinks(route: RouteSocket): ReturnType<RouteSocket['links']> {
  return route.links().filter(({ name }) => podLink.test(name) || name === links.vxlan || name === links.bridge)
}

function ourRules(route: RouteSocket): ReturnType<RouteSocket['rules']> {
  return route.rules().filter(({ priority, protocol }) => priority === routing.overlayRulePreference && protocols.has(protocol))
}

function ourRoutes(route: RouteSocket): ReturnType<RouteSocket['routes']> {
  return [...protocols].flatMap((protocol) => route.routes({ protocol }))
}

function ourAddresses(route: RouteSocket): ReturnType<RouteSocket['addresses']> {
  const lo = route.findLink('lo')
  return lo === undefined ? [] : route.addresses({ ifIndex: lo.index }).filter(({ address }) => standIns.has(formatIp(address)))
}

/** One that cannot be read, for somebody put into it what this program does not know, is there all the same. */
function ourTables(nft: Nft): readonly TableName[] {
  const names = [...Object.values(tables).map((name): TableName => ({ family: 'inet', name })), { family: 'bridge', name: tables.cni } as const]
  return names.filter(({ family, name }) => {
    try {
      return nft.read(family, name) !== undefined
    } catch {
      return true
    }
  })
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EBUSY'
}

import type { Logger } from '@weft/daemon'
import type { PluginConfig, PluginVerbs } from '@weft/plugin'
import { type NetworkConfig, readNetworkConfig, unreadKeys } from './network-config.ts'
import type { VerbContext } from './verb-context.ts'
import { add, confirm } from './verbs/add.ts'
import { check } from './verbs/check.ts'
import { del } from './verbs/del.ts'
import { gc } from './verbs/gc.ts'
import { status } from './verbs/status.ts'

/** The verbs of the plugin on one node. */
export function cniVerbs(context: VerbContext): PluginVerbs<NetworkConfig> {
  const tellUnread = unreadTeller(context.logger)
  return {
    readConfig: (config) => {
      tellUnread(config)
      return readNetworkConfig(config)
    },
    add: (request, fds, signal) => add(context, request, fds, signal),
    answered: (request) => confirm(context, request),
    check: (request, fds) => check(context, request, fds),
    del: (request) => del(context, request),
    gc: (base) => gc(context, base),
    status: () => status(context),
  }
}

/** Says once of each network which of its keys nobody reads; for networks that come and go, not for ever. */
function unreadTeller(logger: Logger): (config: PluginConfig) => void {
  const told = new Map<string, string>()
  return (config) => {
    const keys = unreadKeys(config)
    if (keys.length === 0 || told.get(config.name) === keys.join()) return
    if (told.size >= mostTold) told.clear()
    told.set(config.name, keys.join())
    logger.warn({ network: config.name, keys }, 'keys of a network that mean nothing to this plugin: what they ask for is not done')
  }
}

const mostTold = 64

import type { PluginVerbs } from '@weft/plugin'
import { type NetworkConfig, readNetworkConfig } from './network-config.ts'
import type { VerbContext } from './verb-context.ts'
import { add, confirm } from './verbs/add.ts'
import { check } from './verbs/check.ts'
import { del } from './verbs/del.ts'
import { gc } from './verbs/gc.ts'
import { status } from './verbs/status.ts'

/** The verbs of the plugin on one node. */
export function cniVerbs(context: VerbContext): PluginVerbs<NetworkConfig> {
  return {
    readConfig: readNetworkConfig,
    add: (request, fds, signal) => add(context, request, fds, signal),
    answered: (request) => confirm(context, request),
    check: (request, fds) => check(context, request, fds),
    del: (request) => del(context, request),
    gc: (base) => gc(context, base),
    status: () => status(context),
  }
}

import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RangeSetText } from '@weft/allocator'
import { type InstallOptions, placeFile, placePlugin, removePlugin } from '@weft/plugin'

/** File name of the plugin, and `type` in the conflist. */
export const pluginName = 'weft-cni'

/** Sorts before what other installers leave; containerd takes the first (CNI-18). */
export const conflistName = '05-weft.conflist'

/** What we can do with what a runtime knows of a pod; a runtime passes nothing else (CNI-16). */
const capabilities = ['portMappings', 'bandwidth', 'ipRanges', 'ips', 'mac', 'dns', 'io.kubernetes.cri.pod-annotations'] as const

/** As `placePlugin`, under our name. */
export type PluginOptions = Omit<InstallOptions, 'name'>

export interface NetworkOptions {
  /** e.g. `/etc/cni/net.d`. */
  readonly confDir: string
  /** Name of the network. @default 'weft' */
  readonly network?: string | undefined
  /** Range sets of the network itself, as `host-local` writes them; those of the node's server when empty. */
  readonly ranges?: readonly RangeSetText[] | undefined
}

/** Places the plugin and its settings. */
export async function installPlugin(options: PluginOptions): Promise<void> {
  await placePlugin({ ...options, name: pluginName })
}

/** Places the network configuration: from then on the runtime starts pods, so plugin and agent must be there (CNI-19). */
export async function installNetwork({ confDir, network = 'weft', ranges = [] }: NetworkOptions): Promise<void> {
  await placeFile(join(confDir, conflistName), 0o644, (path) => writeFile(path, formatConflist(network, ranges)))
}

/** Removes them in reverse: the configuration first, so that no ADD finds it without the plugin. */
export async function uninstallCni({ binDir, confDir }: { readonly binDir: string, readonly confDir: string }): Promise<void> {
  await rm(join(confDir, conflistName), { force: true })
  await removePlugin({ binDir, name: pluginName })
}

/**
 * The network configuration list. `cniVersion` is what runtimes before protocol 1.1 understand; newer ones choose the
 * highest of `cniVersions` (CNI-14).
 */
function formatConflist(network: string, ranges: readonly RangeSetText[]): string {
  return `${JSON.stringify({
    cniVersion: '1.0.0',
    cniVersions: ['0.4.0', '1.0.0', '1.1.0'],
    name: network,
    plugins: [{ type: pluginName, ...ranges.length === 0 ? {} : { ipam: { ranges } }, capabilities: Object.fromEntries(capabilities.map((capability) => [capability, true])) }],
  }, null, 2)}\n`
}

import { copyFile, mkdir, open, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { formatShimSettings } from './shim-settings.ts'

/** File name of the plugin, and `type` in the conflist. */
export const pluginName = 'weft-cni'

/** Sorts before what other installers leave; containerd takes the first (CNI-18). */
export const conflistName = '05-weft.conflist'

/** What we can do with what a runtime knows of a pod; a runtime passes nothing else (CNI-16). */
const capabilities = ['portMappings', 'bandwidth', 'ipRanges', 'ips', 'mac', 'dns', 'io.kubernetes.cri.pod-annotations'] as const

/** The program to install: the compiled shim, or its twin run by node. */
export type ShimProgram =
  | { readonly kind: 'binary', readonly path: string }
  | { readonly kind: 'twin', readonly node?: string | undefined }

export interface PluginOptions {
  /** e.g. `/opt/cni/bin`. */
  readonly binDir: string
  readonly socketPath: string
  readonly spoolPath: string
  readonly program: ShimProgram
}

export interface NetworkOptions {
  /** e.g. `/etc/cni/net.d`. */
  readonly confDir: string
  /** Name of the network. @default 'weft' */
  readonly network?: string | undefined
}

/** Places the plugin and its settings. Every file appears whole, by rename; a running ADD keeps the program it started (LIFE-16). */
export async function installPlugin({ binDir, socketPath, spoolPath, program }: PluginOptions): Promise<void> {
  const plugin = join(binDir, pluginName)
  await place(`${plugin}.conf`, 0o644, (path) => writeFile(path, formatShimSettings({ socketPath, spoolPath })))
  // 0755 and never set-uid: the runtime is root already.
  await place(plugin, 0o755, (path) => program.kind === 'binary' ? copyFile(program.path, path) : writeFile(path, twinWrapper(program.node ?? process.execPath)))
}

/** Places the network configuration: from then on the runtime starts pods, so plugin and agent must be there (CNI-19). */
export async function installNetwork({ confDir, network = 'weft' }: NetworkOptions): Promise<void> {
  await place(join(confDir, conflistName), 0o644, (path) => writeFile(path, formatConflist(network)))
}

/** Removes them in reverse: the configuration first, so that no ADD finds it without the plugin. */
export async function uninstallCni({ binDir, confDir }: { readonly binDir: string, readonly confDir: string }): Promise<void> {
  await rm(join(confDir, conflistName), { force: true })
  await rm(join(binDir, pluginName), { force: true })
  await rm(join(binDir, `${pluginName}.conf`), { force: true })
}

/**
 * The network configuration list. `cniVersion` is what runtimes before protocol 1.1 understand; newer ones choose the
 * highest of `cniVersions` (CNI-14).
 */
function formatConflist(network: string): string {
  return `${JSON.stringify({
    cniVersion: '1.0.0',
    cniVersions: ['0.4.0', '1.0.0', '1.1.0'],
    name: network,
    plugins: [{ type: pluginName, capabilities: Object.fromEntries(capabilities.map((capability) => [capability, true])) }],
  }, null, 2)}\n`
}

function twinWrapper(node: string): string {
  const fromSource = import.meta.url.endsWith('.ts')
  const main = fileURLToPath(new URL(fromSource ? './shim-twin-main.ts' : './shim-twin-main.js', import.meta.url))
  return `#!/bin/sh\nexec ${quote(node)} ${fromSource ? '-C dev ' : ''}${quote(main)} "$0.conf"\n`
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

async function place(path: string, mode: number, write: (temporary: string) => Promise<void>): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const temporary = `${path}.${process.pid}.tmp`
  try {
    await write(temporary)
    const file = await open(temporary, 'r+')
    await file.chmod(mode)
    await file.sync()
    await file.close()
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

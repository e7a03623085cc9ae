import { copyFile, mkdir, open, rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { formatShimSettings } from './shim-settings.ts'

/** The program to install: the compiled shim, or its twin run by node. */
export type ShimProgram =
  | { readonly kind: 'binary', readonly path: string }
  | { readonly kind: 'twin', readonly node?: string | undefined }

export interface InstallOptions {
  /** File name: the `type` in a network configuration. */
  readonly name: string
  /** e.g. `/opt/cni/bin`. */
  readonly binDir: string
  readonly socketPath: string
  readonly spoolPath: string
  readonly program: ShimProgram
}

/**
 * Places a plugin and the settings beside it, settings first: a plugin that is there finds them. Every file appears whole, by rename; a running ADD
 * keeps the program it started (LIFE-16).
 */
export async function placePlugin({ name, binDir, socketPath, spoolPath, program }: InstallOptions): Promise<void> {
  const plugin = join(binDir, name)
  await placeFile(`${plugin}.conf`, 0o644, (path) => writeFile(path, formatShimSettings({ socketPath, spoolPath })))
  // 0755 and never set-uid: the runtime is root already.
  await placeFile(plugin, 0o755, (path) => program.kind === 'binary' ? copyFile(program.path, path) : writeFile(path, twinWrapper(program.node ?? process.execPath)))
}

/** Removes a plugin, then its settings. */
export async function removePlugin({ name, binDir }: Pick<InstallOptions, 'name' | 'binDir'>): Promise<void> {
  await rm(join(binDir, name), { force: true })
  await rm(join(binDir, `${name}.conf`), { force: true })
}

/** Writes a file so that nobody sees half of it, and a power cut leaves the old one or the new one: write, fsync, rename. */
export async function placeFile(path: string, mode: number, write: (temporary: string) => Promise<void>): Promise<void> {
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

function twinWrapper(node: string): string {
  const fromSource = import.meta.url.endsWith('.ts')
  const main = fileURLToPath(new URL(fromSource ? './shim-twin-main.ts' : './shim-twin-main.js', import.meta.url))
  return `#!/bin/sh\nexec ${quote(node)} ${fromSource ? '-C dev ' : ''}${quote(main)} "$0.conf"\n`
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

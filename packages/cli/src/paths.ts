import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository, where this code lies in it, as source or built (`.weft/programs`); installed as a package it works in the folder where it is called. */
export const root: string = folderWith('pnpm-workspace.yaml', dirname(fileURLToPath(import.meta.url))) ?? process.cwd()

/** Everything `./weft` makes on this machine; git ignores it. */
export const stateDir: string = join(root, '.weft')

export const sandboxDir: string = join(stateDir, 'sandbox')

function folderWith(name: string, start: string): string | undefined {
  for (let folder = start; folder !== '/'; folder = dirname(folder)) if (existsSync(join(folder, name))) return folder
  return undefined
}

import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository: this code lies in it, as source or built (`.weft/programs`). */
export const root: string = folderWith('pnpm-workspace.yaml', dirname(fileURLToPath(import.meta.url)))

/** Everything `./weft` makes on this machine; git ignores it. */
export const stateDir: string = join(root, '.weft')

export const sandboxDir: string = join(stateDir, 'sandbox')

function folderWith(name: string, start: string): string {
  for (let folder = start; ; folder = dirname(folder)) if (folder === '/' || existsSync(join(folder, name))) return folder
}

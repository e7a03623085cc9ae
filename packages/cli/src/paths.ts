import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The repository. */
export const root: string = join(dirname(fileURLToPath(import.meta.url)), '../../..')

/** Everything `./weft` makes on this machine; git ignores it. */
export const stateDir: string = join(root, '.weft')

export const sandboxDir: string = join(stateDir, 'sandbox')

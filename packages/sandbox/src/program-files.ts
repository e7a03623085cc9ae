// Where programs lie: from source in their packages, built all in one flat folder, where this code lies then too (as in
// the image). Threads are found the same way by those who start them.
import { existsSync } from 'node:fs'
import { buildShim } from '@weft/plugin'
import { fileURLToPath } from 'node:url'

const fromSource = import.meta.url.endsWith('.ts')

/** Main files of the programs that a sandbox runs. */
const programFiles = {
  agent: { source: '../../agent/src/main.ts', built: './weft-agent.js' },
  dns: { source: '../../dns/src/main.ts', built: './weft-dns.js' },
  controller: { source: '../../controller/src/main.ts', built: './weft-controller.js' },
  init: { source: './init.ts', built: './sandbox-init.js' },
} as const

/** Arguments that let Node run a program, without those of a test runner or debugger around this process. */
export function nodeCommand(program: keyof typeof programFiles): readonly string[] {
  const { source, built } = programFiles[program]
  const main = fileURLToPath(new URL(fromSource ? source : built, import.meta.url))
  return [process.execPath, ...(fromSource ? ['--conditions=dev'] : []), '--disable-warning=ExperimentalWarning', main]
}

/** Folder of the probe's modules: TypeScript from source, else JavaScript. */
export const probeFolder: URL = new URL(fromSource ? './probe/' : './sandbox-probe/', import.meta.url)

/** What the sandbox applies of `deploy/`: the folder itself from source, one file of JSON when built. */
export const manifestSource: URL = new URL(fromSource ? '../../../deploy/' : './sandbox-manifests.json', import.meta.url)

/** The CNI plugin: a compiled one, or the reason why there is none and the TypeScript twin stands in. */
export type CniPlugin = { readonly kind: 'binary', readonly path: string } | { readonly kind: 'unavailable', readonly reason: string }

/** @param cacheFolder Where one compiled from source is kept. */
export async function cniPlugin(cacheFolder: string): Promise<CniPlugin> {
  if (fromSource) return await buildShim(cacheFolder)
  const path = fileURLToPath(new URL('./weft-cni', import.meta.url))
  return existsSync(path) ? { kind: 'binary', path } : { kind: 'unavailable', reason: 'none was found when the programs were built' }
}

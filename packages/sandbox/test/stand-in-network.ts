import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { ForeignCni } from '../src/launch-protocol.ts'

/** Lays the stand-in plugin down in a folder, for sandboxes without Weft's own programs. */
export function standInNetwork(folder: string, nodes: number): ForeignCni & { readonly refuseFile: string } {
  mkdirSync(folder, { recursive: true })
  const plugin = fileURLToPath(new URL('stand-in-cni.ts', import.meta.url))
  writeFileSync(`${folder}/stand-in`, `#!/bin/sh\nexec '${process.execPath}' -C dev --disable-warning=ExperimentalWarning '${plugin}'\n`)
  chmodSync(`${folder}/stand-in`, 0o755)
  const refuseFile = `${folder}/refuse`
  const conflists = Object.fromEntries(Array.from({ length: nodes }, (_, index) => [`n${index + 1}`, {
    cniVersion: '1.1.0',
    name: 'stand-in',
    plugins: [{ type: 'stand-in', subnets: [`10.244.${index}.0/24`, `fd00:10:244:${index}::/64`], counterFile: `${folder}/count-n${index + 1}`, refuseFile, capabilities: { portMappings: true } }],
  }]))
  return { binFolder: folder, conflists, refuseFile }
}

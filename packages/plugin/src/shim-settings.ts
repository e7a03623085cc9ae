import { readFileSync } from 'node:fs'

/** Where the plugin finds the agent. */
export interface ShimSettings {
  readonly socketPath: string
  readonly spoolPath: string
}

const defaultShimSettings: ShimSettings = { socketPath: '/run/weft/cni.sock', spoolPath: '/var/lib/cni/weft/cni-spool' }

/** Text of `<plugin>.conf`. */
export function formatShimSettings({ socketPath, spoolPath }: ShimSettings): string {
  return `socket=${socketPath}\nspool=${spoolPath}\n`
}

/** Reads `<plugin>.conf` as the C shim does: unknown lines are passed over, a missing file means the defaults. */
export function readShimSettings(path: string): ShimSettings {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return defaultShimSettings
  }
  let { socketPath, spoolPath } = defaultShimSettings
  for (const line of text.split('\n')) {
    if (line.startsWith('socket=')) socketPath = line.slice('socket='.length)
    if (line.startsWith('spool=')) spoolPath = line.slice('spool='.length)
  }
  return { socketPath, spoolPath }
}

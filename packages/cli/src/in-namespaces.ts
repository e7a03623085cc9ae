import { spawn, spawnSync } from 'node:child_process'

/** Set in the process that runs in namespaces of its own. */
const entered = 'WEFT_IN_NAMESPACES'

/**
 * Runs this very command again as root of a user and a network namespace: where an ordinary user may ask the kernel what it can do.
 *
 * @returns Its exit code; undefined in the process that is there already, and where users may have no namespaces.
 */
export async function inNamespaces(): Promise<number | undefined> {
  const prefix = ['-Urn', '--'] as const
  if (process.env[entered] !== undefined || spawnSync('unshare', [...prefix, 'true']).status !== 0) return undefined
  const child = spawn('unshare', [...prefix, process.execPath, ...process.execArgv, ...process.argv.slice(1)], { stdio: 'inherit', env: { ...process.env, [entered]: '1' } })
  return await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}

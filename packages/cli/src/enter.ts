import { spawn } from 'node:child_process'
import { type ClusterOptions, readDescriptor } from '@weft/checks'

/** Set in the process that runs where the descriptor's `enter` leads. */
const entered = 'WEFT_ENTERED'

/**
 * Runs this very command again where the API server of a descriptor can be reached.
 *
 * @returns Its exit code, or undefined when this process is there already.
 */
export async function enter({ cluster }: ClusterOptions): Promise<number | undefined> {
  if (cluster === undefined || process.env[entered] === cluster) return undefined
  const { enter: prefix } = await readDescriptor(cluster)
  if (prefix.length === 0) return undefined
  const [file, ...args] = [...prefix, process.execPath, ...process.execArgv, ...process.argv.slice(1)]
  const child = spawn(file!, args, { stdio: 'inherit', env: { ...process.env, [entered]: cluster } })
  // The terminal sends Ctrl-C to both; this one waits for the other to put things away.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
  return await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code) => resolve(code ?? 1))
  })
}

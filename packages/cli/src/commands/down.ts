import { sandboxStatus, stopSandbox } from '@weft/sandbox'
import { sandboxDir } from '../paths.ts'

/** Stops the cluster; fine if none runs. Its objects go too, unless they are to be kept for the next `up`. */
export async function down({ keep, json }: { readonly keep: boolean, readonly json: boolean }): Promise<number> {
  const start = performance.now()
  const { kind } = await sandboxStatus(sandboxDir)
  const stopped = await stopSandbox(sandboxDir, { keep })
  const ms = Math.round(performance.now() - start)
  const left = keep ? 'the next `./weft up` goes on with its objects' : 'nothing is left'
  const idle = !keep && (kind === 'kept' || kind === 'dead') ? 'nothing was running; the objects that were kept are removed' : 'nothing was running'
  process.stdout.write(json ? `${JSON.stringify({ stopped, down_ms: ms })}\n` : stopped ? `stopped after ${ms} ms; ${left}\n` : `${idle}\n`)
  return 0
}

import { stopSandbox } from '@weft/sandbox'
import { sandboxDir } from '../paths.ts'

/** Stops the cluster; fine if none runs. */
export async function down({ json }: { readonly json: boolean }): Promise<number> {
  const start = performance.now()
  const stopped = await stopSandbox(sandboxDir)
  const ms = Math.round(performance.now() - start)
  process.stdout.write(json ? `${JSON.stringify({ stopped, down_ms: ms })}\n` : stopped ? `stopped after ${ms} ms; nothing is left\n` : 'nothing was running\n')
  return 0
}

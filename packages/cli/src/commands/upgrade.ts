import { readFile } from 'node:fs/promises'
import { type ClusterOptions, connectCluster } from '@weft/checks'
import { realClock } from '@weft/daemon'
import { upgrade as upgradeOn } from '@weft/install'
import { parse } from 'yaml'
import { enter } from '../enter.ts'
import { untilInterrupted } from '../interrupt.ts'
import { Progress } from '../terminal.ts'

interface UpgradeCommandOptions extends ClusterOptions {
  readonly image?: string | undefined
  readonly values?: string | undefined
  readonly json?: boolean | undefined
}

/** For each node, in milliseconds. */
const timeoutMs = 180_000

/** Another version or configuration, one node after the other. */
export async function upgrade(options: UpgradeCommandOptions): Promise<number> {
  const elsewhere = await enter(options)
  if (elsewhere !== undefined) return elsewhere
  const { image, values, json = false } = options
  const progress = new Progress({ json })
  await using real = await connectCluster(options)
  const nodes = await upgradeOn(real.kube, {
    image,
    values: values === undefined ? {} : parse(await readFile(values, 'utf8')) as Record<string, unknown>,
    signal: untilInterrupted(), clock: realClock, timeoutMs, onProgress: (message) => progress.say(message),
  })
  progress.done()
  process.stdout.write(json ? `${JSON.stringify({ upgraded: nodes })}\n` : `upgraded ${nodes.length} nodes: ${nodes.join(', ')}\n`)
  return 0
}

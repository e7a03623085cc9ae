import { writeFile } from 'node:fs/promises'
import { type ClusterOptions, connectCluster } from '@weft/checks'
import { sysdump as dumpOf } from '@weft/install'
import { enter } from '../enter.ts'
import { untilInterrupted } from '../interrupt.ts'
import { Progress } from '../terminal.ts'

/** Writes one archive for a report of a fault. */
export async function sysdump(options: ClusterOptions & { readonly output: string }): Promise<number> {
  const elsewhere = await enter(options)
  if (elsewhere !== undefined) return elsewhere
  const progress = new Progress({ json: false })
  await using real = await connectCluster(options)
  const archive = await dumpOf(real.kube, { signal: untilInterrupted(), onProgress: (message) => progress.say(message) })
  // It names what runs in the cluster: not for everybody on this machine.
  await writeFile(options.output, archive, { mode: 0o600 })
  progress.done()
  process.stdout.write(`${options.output}: ${(archive.length / 1024).toFixed(0)} KiB; secrets are redacted, names and addresses are not\n`)
  return 0
}

import { type ClusterOptions, connectCluster } from '@weft/checks'
import { realClock } from '@weft/daemon'
import { uninstall as uninstallFrom } from '@weft/install'
import { enter } from '../enter.ts'
import { untilInterrupted } from '../interrupt.ts'
import { paint, Progress } from '../terminal.ts'

const timeoutMs = 120_000

/** Takes Weft away from a real cluster, and from every node what it left there. */
export async function uninstall(options: ClusterOptions & { readonly json?: boolean | undefined }): Promise<number> {
  const elsewhere = await enter(options)
  if (elsewhere !== undefined) return elsewhere
  const { json = false } = options
  const start = performance.now()
  const progress = new Progress({ json })
  await using real = await connectCluster(options)
  const { nodes, givenBack, losing } = await uninstallFrom(real.kube, {
    signal: untilInterrupted(), clock: realClock, timeoutMs,
    onLosing: (pods) => {
      const warning = formatLosing(pods)
      if (json || warning === '') return
      progress.done()
      process.stdout.write(`${paint('yellow', 'warn')} ${warning}\n`)
    },
    onProgress: (message) => progress.say(message),
  })
  progress.done()
  const ms = Math.round(performance.now() - start)
  if (json) process.stdout.write(`${JSON.stringify({ nodes: nodes.map(({ node }) => node), given_back: givenBack, pods_without_network: losing, ms })}\n`)
  else process.stdout.write(`Weft is gone after ${(ms / 1000).toFixed(1)} s: ${nodes.length} nodes cleaned${givenBack.length > 0 ? `, ${givenBack.join(', ')} given back` : ''}\n`)
  return 0
}

/** What it costs those who run; empty where nobody does. */
export function formatLosing(pods: Readonly<Record<string, number>>): string {
  const namespaces = Object.entries(pods)
  if (namespaces.length === 0) return ''
  const all = namespaces.reduce((sum, [, count]) => sum + count, 0)
  return `${all} running ${all === 1 ? 'pod loses its' : 'pods lose their'} network (${namespaces.map(([namespace, count]) => `${namespace} ${count}`).join(', ')}); under the next one they have to be deleted, and made anew, to get theirs`
}

import { checks, type CheckResult, deployDemo, runChecks } from '@weft/checks'
import { keptCluster, sandboxCluster, startSandbox } from '@weft/sandbox'
import { sandboxDir } from '../paths.ts'
import { formatChecks, formatHeld } from '../check-table.ts'
import { Progress } from '../terminal.ts'

interface UpOptions {
  readonly nodes?: string
  readonly family?: 'ipv4' | 'ipv6' | 'dual'
  readonly json: boolean
}

/** Pods of the demo have that long to be Ready, in milliseconds. */
const demoTimeoutMs = 30_000

/** Starts a cluster, a demo and its proof. Exit code 0 only if every promise that can be tried holds; the cluster stays either way. */
export async function up({ json, ...asked }: UpOptions): Promise<number> {
  const kept = keptCluster(sandboxDir)
  const nodes = asked.nodes ?? kept?.nodes ?? 3
  const family = asked.family ?? kept?.family ?? 'ipv4'
  const count = Number(nodes)
  if (!Number.isInteger(count) || count < 2 || count > 9) throw new RangeError(`Cannot start ${nodes} nodes: wanted a number from 2 to 9`)
  const start = performance.now()
  const progress = new Progress({ json })
  const interrupted = new AbortController()
  const interrupt = (): void => interrupted.abort(new Error('interrupted'))
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt)
  const { signal } = interrupted

  const sandbox = await startSandbox({ stateDir: sandboxDir, nodes: count, family, signal, onProgress: (message) => progress.say(message) })
  if (sandbox.resumed) process.stderr.write('Going on with the objects of the cluster that was here; `./weft down` before `up` starts anew.\n')
  if (sandbox.notes.length > 0) process.stderr.write(`${sandbox.notes.join('\n')}\n`)
  await using cluster = await sandboxCluster(sandbox.stateDir)
  let readyMs = 0
  let results: readonly CheckResult[] = []
  let done = 0
  try {
    await deployDemo(cluster, { signal, timeoutMs: demoTimeoutMs, onProgress: (ready, wanted) => progress.say(`demo: ${ready} of ${wanted} pods are Ready`) })
    readyMs = Math.round(performance.now() - start)
    results = await runChecks(cluster, { signal, onResult: () => progress.say(`proving: ${(done += 1)} of ${checks.length} promises looked at`) })
  } catch (error) {
    progress.done()
    if (!signal.aborted) {
      process.stderr.write('The cluster stays up: `./weft status` and `kubectl describe` tell more, `./weft down` stops it.\n')
      throw error
    }
  }
  // What was cut short says nothing about a promise.
  if (signal.aborted) {
    progress.done()
    process.stderr.write('Interrupted; the nodes were ready, so the cluster stays up: `./weft down` stops it.\n')
    return 130
  }
  const greenMs = Math.round(performance.now() - start)
  progress.done()

  const good = results.every((result) => result.ok)
  if (json) {
    process.stdout.write(`${JSON.stringify({ ready_ms: readyMs, green_ms: greenMs, checks: results.map(({ name, ok, tried, evidence }) => ({ name, ok, tried, evidence })) })}\n`)
  } else {
    report(results, { nodes: count, family, readyMs, greenMs, kubeconfig: sandbox.kubeconfigPath })
  }
  return good ? 0 : 1
}

interface Facts {
  readonly nodes: number
  readonly family: string
  readonly readyMs: number
  readonly greenMs: number
  readonly kubeconfig: string
}

function report(results: readonly CheckResult[], { nodes, family, readyMs, greenMs, kubeconfig }: Facts): void {
  process.stdout.write([
    formatChecks(results),
    '',
    `${formatHeld(results)} on ${nodes} nodes (${family}): pods Ready after ${(readyMs / 1000).toFixed(1)} s, all proved after ${(greenMs / 1000).toFixed(1)} s`,
    '',
    `The cluster stays up. Look around:`,
    `  kubectl --kubeconfig ${kubeconfig} get pods -A -o wide`,
    `  ./weft exec client -n demo -- weft-probe ask '[{"kind":"http","host":"web","port":80,"path":"/hostname"}]'`,
    `  ./weft dump proxy --node n1`,
    `  ./weft down`,
    '',
  ].join('\n'))
}

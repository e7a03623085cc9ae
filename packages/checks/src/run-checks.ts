import { Asker } from './ask.ts'
import { type Check, type CheckContext, type CheckResult, NotTried } from './check.ts'
import type { Cluster } from './cluster.ts'
import { type KernelRoute, kernelRoutes } from './kernel-route.ts'
import { agentChecks } from './proofs/agent.ts'
import { podChecks } from './proofs/pods.ts'
import { policyChecks } from './proofs/policy.ts'
import { serviceChecks } from './proofs/services.ts'
import { type Scene, settledScene } from './scene.ts'

/** Every promise that can be proved on a running cluster, in the order of the table. */
export const checks: readonly Check[] = [...podChecks, ...serviceChecks, ...policyChecks, ...agentChecks]

interface RunOptions {
  readonly signal: AbortSignal
  readonly onResult?: (result: CheckResult) => void
}

/**
 * Proves all promises: first the checks that only look, side by side, then those that disturb, one after the other.
 *
 * @returns One result per check, in the order of {@link checks}. Nothing is thrown for a promise that does not hold.
 */
export async function runChecks(cluster: Cluster, options: RunOptions): Promise<readonly CheckResult[]> {
  let scene: Promise<Scene> | undefined
  const { signal } = options
  const routes = new Map<string, Promise<readonly KernelRoute[]>>()
  const ask = new Asker(cluster, signal)
  const context: CheckContext = {
    cluster,
    signal,
    ask,
    scene: () => (scene ??= settledScene(cluster, signal)),
    routes: (node) => routes.getOrInsertComputed(node, () => kernelRoutes(ask, node)),
  }
  const results = new Map<string, CheckResult>()
  const prove = async (check: Check): Promise<void> => {
    const result = await proveOne(check, context)
    results.set(check.name, result)
    options.onResult?.(result)
  }
  await Promise.all(checks.filter(({ alone }) => alone !== true).map(prove))
  for (const check of checks.filter(({ alone }) => alone === true)) {
    // A check before this one may have replaced a pod.
    scene = undefined
    await prove(check)
  }
  return checks.map(({ name }) => results.get(name)!)
}

async function proveOne(check: Check, context: CheckContext): Promise<CheckResult> {
  const start = performance.now()
  const { name, promise } = check
  try {
    const evidence = await check.prove(context)
    return { name, promise, ok: true, tried: true, evidence, ms: performance.now() - start }
  } catch (error) {
    if (error instanceof NotTried) return { name, promise, ok: true, tried: false, evidence: error.message, ms: performance.now() - start }
    return { name, promise, ok: false, tried: true, evidence: error instanceof Error ? error.message : String(error), ms: performance.now() - start }
  }
}

import type { AgentStatus, NodeName } from '@weft/api'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from '@weft/checks'
import { expect } from 'vitest'

interface RestartOptions {
  readonly cluster: Cluster
  /** An agent has that long to come back: a kubelet waits longer each time before it starts a container again. Milliseconds. */
  readonly restartMs: number
}

/** Kills the agent of a node once it is there, and resolves when another one is ready in its place. */
export async function restartAgent(node: NodeName, { cluster, restartMs }: RestartOptions): Promise<AgentStatus> {
  const { killAgent } = cluster
  if (killAgent === undefined) throw new Error('Cannot kill agents: nothing tells how nodes are entered')
  const { startedAt } = await readyAgent(node, { cluster, restartMs })
  await killAgent(node)
  return await readyAgent(node, { cluster, restartMs, notOf: startedAt })
}

/** @param options.notOf When the one began that does not count. */
export async function readyAgent(node: NodeName, { cluster, restartMs, notOf }: RestartOptions & { readonly notOf?: AgentStatus['startedAt'] }): Promise<AgentStatus> {
  const deadline = performance.now() + restartMs
  for (;;) {
    const status = await cluster.agentStatus(node).catch(() => undefined)
    if (status?.ready === true && status.startedAt !== notOf) return status
    expect(performance.now(), `the agent of ${node} was not ready in time`).toBeLessThan(deadline)
    await sleep(100)
  }
}

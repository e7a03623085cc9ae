import { setTimeout as sleep } from 'node:timers/promises'
import { Asker, type Cluster, demoNamespace, type Place } from '@weft/checks'
import { expect, test } from 'vitest'
import { readyAgent, restartAgent } from './restart-agent.ts'

const client: Place = { kind: 'pod', namespace: demoNamespace, name: 'client' }

interface FaultOptions {
  /** The cluster, once it runs. */
  readonly cluster: () => Cluster
  /** Whether nft is at hand on the nodes; it plays the foreign program here, the network itself never runs it. */
  readonly hasNft: boolean
  /** An agent has that long to come back, in milliseconds. */
  readonly restartMs: number
}

/** Whether the demo's Service answers a client, from every endpoint it is asked of. By its address: whoever loses a lookup asks again after five seconds only. */
export async function reachesWeb(cluster: Cluster): Promise<boolean> {
  const { spec } = await cluster.kube.request<{ readonly spec: { readonly clusterIP: string } }>('GET', `/api/v1/namespaces/${demoNamespace}/services/web`)
  const ask = new Asker(cluster, AbortSignal.timeout(20_000))
  return (await ask.try(client, { kind: 'http', host: spec.clusterIP, port: 80, path: '/hostname', count: 6, timeoutMs: 1000 })).ok
}

/** What the network survives on any cluster whose nodes can be entered. */
export function survivesFaults({ cluster, hasNft, restartMs }: FaultOptions): void {
  test.skipIf(!hasNft)('P5 a foreign `nft flush ruleset` is restored within a second (fault 20)', async () => {
    const node = cluster().nodes[0]!.name
    // Who restores it must be there: a kubelet keeps an agent away for a while that others killed.
    await readyAgent(node, { cluster: cluster(), restartMs })
    expect(await reachesWeb(cluster())).toBe(true)
    expect((await cluster().run({ kind: 'node', name: node }, ['nft', 'flush', 'ruleset'])).code).toBe(0)
    const start = performance.now()
    while (!(await reachesWeb(cluster()))) {
      expect(performance.now() - start, 'ms until Services answered again').toBeLessThan(5000)
      await sleep(50)
    }
    const { stdout } = await cluster().run({ kind: 'node', name: node }, ['nft', 'list', 'tables'])
    for (const table of ['weft-proxy', 'weft-overlay', 'weft-policy']) expect(stdout).toContain(table)
  })

  test.skipIf(!hasNft)('P8, LIFE-8 the table of another program is left alone', async () => {
    const { name } = cluster().nodes[1]!
    const node: Place = { kind: 'node', name }
    await cluster().run(node, ['nft', 'add table inet foreign; add chain inet foreign keep'])
    await restartAgent(name, { cluster: cluster(), restartMs })
    expect((await cluster().run(node, ['nft', 'list', 'table', 'inet', 'foreign'])).stdout).toContain('chain keep')
    await cluster().run(node, ['nft', 'delete', 'table', 'inet', 'foreign'])
  })

  test('P11, LIFE-3 an agent that starts again writes nothing, on every node', async () => {
    for (const { name } of cluster().nodes) {
      const status = await restartAgent(name, { cluster: cluster(), restartMs })
      // Where DNS is in the agent's pod its endpoints left with the agent: that is a change, and nothing else is written.
      expect({ ...status.kernelWrites, proxy: 0 }, `kernel writes on ${name}`).toEqual({ cni: 0, overlay: 0, policy: 0, proxy: 0 })
      expect(status.kernelWrites.proxy, `kernel writes of the proxy on ${name}`).toBeLessThanOrEqual(cluster().dnsBesideAgent === true ? 100 : 0)
    }
  })
}
